package main

import (
	"context"
	"errors"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// What the runtime is asked for and has nothing to say of: there are no cgroups, so nothing is limited or measured.

func (s *service) UpdateContainerResources(context.Context, string, *cri.ContainerResources) error {
	return nil
}

func (s *service) UpdatePodSandboxResources(
	context.Context, *cri.UpdatePodSandboxResourcesRequest,
) (*cri.UpdatePodSandboxResourcesResponse, error) {
	return &cri.UpdatePodSandboxResourcesResponse{}, nil
}

func (s *service) CheckpointContainer(context.Context, *cri.CheckpointContainerRequest) error {
	return errors.New("the sandbox makes no checkpoints")
}

func (s *service) GetContainerEvents(
	context.Context, chan *cri.ContainerEventResponse, func(cri.RuntimeService_GetContainerEventsClient),
) error {
	return errors.New("the sandbox has no container events: the kubelet lists instead")
}

func (s *service) ContainerStats(_ context.Context, id string) (*cri.ContainerStats, error) {
	return nil, notFound("measurements of container", id)
}

func (s *service) ListContainerStats(context.Context, *cri.ContainerStatsFilter) ([]*cri.ContainerStats, error) {
	return nil, nil
}

func (s *service) PodSandboxStats(_ context.Context, id string) (*cri.PodSandboxStats, error) {
	return nil, notFound("measurements of pod sandbox", id)
}

func (s *service) ListPodSandboxStats(context.Context, *cri.PodSandboxStatsFilter) ([]*cri.PodSandboxStats, error) {
	return nil, nil
}

func (s *service) ListMetricDescriptors(context.Context) ([]*cri.MetricDescriptor, error) {
	return nil, nil
}

func (s *service) ListPodSandboxMetrics(context.Context) ([]*cri.PodSandboxMetrics, error) {
	return nil, nil
}

func (s *service) UpdateRuntimeConfig(context.Context, *cri.RuntimeConfig) error { return nil }

func (s *service) RuntimeConfig(context.Context) (*cri.RuntimeConfigResponse, error) {
	return &cri.RuntimeConfigResponse{}, nil
}

package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/kubelet/pkg/cri/streaming"
)

// sandbox is a pod as the kubelet's runtime interface has it: its namespaces and its address.
type sandbox struct {
	id         string
	config     *cri.PodSandboxConfig
	handler    string
	created    int64
	ready      bool
	address    string // "" on the node's own network
	namespaces *namespaces
	folder     string // resolv.conf and hostname
}

// service is the kubelet's container runtime: it holds pods and containers in memory, because none of them outlives
// it. It implements `RuntimeService` of k8s.io/cri-api, in the same process.
type service struct {
	config     *Config
	node       Node
	folder     string
	client     kubernetes.Interface
	streams    streaming.Server
	mutex      sync.Mutex
	sandboxes  map[string]*sandbox
	containers map[string]*container
}

func newID() string {
	raw := make([]byte, 16)
	_, _ = rand.Read(raw) // never fails (crypto/rand)
	return hex.EncodeToString(raw)
}

// Version names the runtime in the node's status.
func (s *service) Version(context.Context, string) (*cri.VersionResponse, error) {
	return &cri.VersionResponse{
		Version: "0.1.0", RuntimeName: "bastide-live", RuntimeVersion: "1.0.0", RuntimeApiVersion: "v1",
	}, nil
}

// Status is ready; its network is once the VPC CNI's pod stands on the node, as on EKS.
func (s *service) Status(context.Context, bool) (*cri.StatusResponse, error) {
	network := &cri.RuntimeCondition{
		Type: "NetworkReady", Reason: "NetworkPluginNotReady",
		Message: "Network plugin returns error: cni plugin not initialized (no aws-node pod runs here)",
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, each := range s.containers {
		if each.state == cri.ContainerState_CONTAINER_RUNNING && each.sandbox.config.Labels["k8s-app"] == "aws-node" {
			network = &cri.RuntimeCondition{Type: "NetworkReady", Status: true}
		}
	}
	runtime := &cri.RuntimeCondition{Type: "RuntimeReady", Status: true}
	return &cri.StatusResponse{Status: &cri.RuntimeStatus{Conditions: []*cri.RuntimeCondition{runtime, network}}}, nil
}

// RunPodSandbox makes a pod's namespaces.
func (s *service) RunPodSandbox(_ context.Context, config *cri.PodSandboxConfig, handler string) (string, error) {
	made := &sandbox{id: newID(), config: config, handler: handler, created: time.Now().UnixNano(), ready: true}
	made.folder = filepath.Join(s.folder, "sandboxes", made.id)
	if err := os.MkdirAll(made.folder, 0o755); err != nil {
		return "", err
	}
	if err := writeNames(made); err != nil {
		os.RemoveAll(made.folder)
		return "", err
	}
	// One lock for both: another pod that starts now must see that the address is taken.
	s.mutex.Lock()
	defer s.mutex.Unlock()
	own := config.GetLinux().GetSecurityContext().GetNamespaceOptions().GetNetwork() != cri.NamespaceMode_NODE
	if own {
		if err := s.connect(made); err != nil {
			os.RemoveAll(made.folder)
			return "", err
		}
	}
	s.sandboxes[made.id] = made
	return made.id, nil
}

// connect gives a pod its network and a free address; the caller holds the lock.
func (s *service) connect(made *sandbox) error {
	taken := map[string]bool{}
	for _, each := range s.sandboxes {
		taken[each.address] = true
	}
	for _, address := range s.node.Addresses {
		if taken[address] {
			continue
		}
		veth := "eni" + made.id[:11] // as the VPC CNI names them; at most 15 characters
		found, err := newNamespaces(made.config.Hostname, address, veth)
		if err != nil {
			return err
		}
		if err := connectVeth(veth, address); err != nil {
			found.close()
			return err
		}
		made.namespaces, made.address = found, address
		return nil
	}
	return fmt.Errorf("the node has no free address for a pod: all %d are taken", len(s.node.Addresses))
}

func writeNames(made *sandbox) error {
	var lines []string
	dns := made.config.GetDnsConfig()
	for _, server := range dns.GetServers() {
		lines = append(lines, "nameserver "+server)
	}
	if len(dns.GetSearches()) > 0 {
		lines = append(lines, "search "+strings.Join(dns.GetSearches(), " "))
	}
	if len(dns.GetOptions()) > 0 {
		lines = append(lines, "options "+strings.Join(dns.GetOptions(), " "))
	}
	resolv := []byte(strings.Join(lines, "\n") + "\n")
	if err := os.WriteFile(filepath.Join(made.folder, "resolv.conf"), resolv, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(made.folder, "hostname"), []byte(made.config.Hostname+"\n"), 0o644)
}

// StopPodSandbox ends what still runs in a pod, and its network.
func (s *service) StopPodSandbox(ctx context.Context, id string) error {
	s.mutex.Lock()
	found := s.sandboxes[id]
	var inside []*container
	for _, each := range s.containers {
		if each.sandbox == found {
			inside = append(inside, each)
		}
	}
	s.mutex.Unlock()
	if found == nil {
		return nil
	}
	for _, each := range inside {
		if err := s.StopContainer(ctx, each.id, 0); err != nil {
			return err
		}
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if found.ready {
		found.ready = false
		found.namespaces.close()
		found.namespaces = nil
	}
	return nil
}

// RemovePodSandbox forgets a pod.
func (s *service) RemovePodSandbox(ctx context.Context, id string) error {
	if err := s.StopPodSandbox(ctx, id); err != nil {
		return err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	found := s.sandboxes[id]
	if found == nil {
		return nil
	}
	for key, each := range s.containers {
		if each.sandbox == found {
			each.forget()
			delete(s.containers, key)
		}
	}
	delete(s.sandboxes, id)
	return os.RemoveAll(found.folder)
}

func (b *sandbox) state() cri.PodSandboxState {
	if b.ready {
		return cri.PodSandboxState_SANDBOX_READY
	}
	return cri.PodSandboxState_SANDBOX_NOTREADY
}

// PodSandboxStatus tells of one pod.
func (s *service) PodSandboxStatus(_ context.Context, id string, _ bool) (*cri.PodSandboxStatusResponse, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	found := s.sandboxes[id]
	if found == nil {
		return nil, notFound("pod sandbox", id)
	}
	return &cri.PodSandboxStatusResponse{Status: &cri.PodSandboxStatus{
		Id: id, Metadata: found.config.Metadata, State: found.state(), CreatedAt: found.created,
		Network: &cri.PodSandboxNetworkStatus{Ip: found.address},
		Linux: &cri.LinuxPodSandboxStatus{Namespaces: &cri.Namespace{
			Options: found.config.GetLinux().GetSecurityContext().GetNamespaceOptions(),
		}},
		Labels: found.config.Labels, Annotations: found.config.Annotations, RuntimeHandler: found.handler,
	}}, nil
}

// ListPodSandbox lists pods.
func (s *service) ListPodSandbox(_ context.Context, filter *cri.PodSandboxFilter) ([]*cri.PodSandbox, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var found []*cri.PodSandbox
	for _, each := range s.sandboxes {
		if filter.GetId() != "" && filter.GetId() != each.id {
			continue
		}
		if filter.GetState() != nil && filter.GetState().State != each.state() {
			continue
		}
		if !selects(filter.GetLabelSelector(), each.config.Labels) {
			continue
		}
		found = append(found, &cri.PodSandbox{
			Id: each.id, Metadata: each.config.Metadata, State: each.state(), CreatedAt: each.created,
			Labels: each.config.Labels, Annotations: each.config.Annotations, RuntimeHandler: each.handler,
		})
	}
	return found, nil
}

func selects(selector, labels map[string]string) bool {
	for key, value := range selector {
		if labels[key] != value {
			return false
		}
	}
	return true
}

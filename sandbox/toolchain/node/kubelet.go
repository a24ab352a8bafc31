package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	noop "go.opentelemetry.io/otel/trace/noop"
	"golang.org/x/sys/unix"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"
	"k8s.io/kubelet/pkg/cri/streaming"
	"k8s.io/kubernetes/cmd/kubelet/app"
	"k8s.io/kubernetes/cmd/kubelet/app/options"
	"k8s.io/kubernetes/pkg/kubelet"
	kubeletconfig "k8s.io/kubernetes/pkg/kubelet/apis/config"
	"k8s.io/kubernetes/pkg/kubelet/cm"
	kubeletutil "k8s.io/kubernetes/pkg/kubelet/util"
	"k8s.io/kubernetes/pkg/util/oom"
	"k8s.io/kubernetes/pkg/volume"
	"k8s.io/kubernetes/pkg/volume/configmap"
	"k8s.io/kubernetes/pkg/volume/downwardapi"
	"k8s.io/kubernetes/pkg/volume/emptydir"
	"k8s.io/kubernetes/pkg/volume/hostpath"
	"k8s.io/kubernetes/pkg/volume/local"
	"k8s.io/kubernetes/pkg/volume/projected"
	"k8s.io/kubernetes/pkg/volume/secret"
	"k8s.io/kubernetes/pkg/volume/util/hostutil"
	"k8s.io/kubernetes/pkg/volume/util/subpath"
	"k8s.io/mount-utils"
)

// kubeletPort is where a kubelet listens; EKS's too.
const kubeletPort = 10250

// runKubelet runs the real kubelet for one node over `service`, its container runtime. What a kubelet decides is
// decided by its own code: admission, volumes, order of init containers and sidecars, probes, restarts and their
// back-off, hooks, grace periods, status, the node's lease.
func runKubelet(path string) error {
	config, err := read[*Config](path)
	if err != nil {
		return err
	}
	node, err := findNode(config, os.Getenv("BASTIDE_LIVE_NODE"))
	if err != nil {
		return err
	}
	// The user namespace has one user, may not read the kernel's log nor set limits of the machine.
	if err := utilfeature.DefaultMutableFeatureGate.Set("KubeletInUserNamespace=true"); err != nil {
		return err
	}
	folder := filepath.Join(stateFolder, node.Name)
	flags, settings, err := kubeletSettings(config, node, folder)
	if err != nil {
		return err
	}
	client, err := clientFor(node.Kubeconfig)
	if err != nil {
		return err
	}
	runtime, err := newService(config, node, folder, client)
	if err != nil {
		return err
	}
	dependencies, err := kubeletDependencies(config, node, folder, flags, settings, client)
	if err != nil {
		return err
	}
	dependencies.RemoteRuntimeService, dependencies.RemoteImageService = runtime, &images{runtime}
	server := &options.KubeletServer{KubeletFlags: *flags, KubeletConfiguration: *settings}
	if err := app.RunKubelet(context.Background(), server, dependencies); err != nil {
		return err
	}
	select {} // until it is killed: an instance that is terminated does not say goodbye either
}

func findNode(config *Config, name string) (Node, error) {
	nodes, err := read[[]Node](config.NodesFile)
	if err != nil {
		return Node{}, err
	}
	for _, each := range nodes {
		if each.Name == name {
			return each, nil
		}
	}
	return Node{}, fmt.Errorf("no node %q in %s", name, config.NodesFile)
}

func newService(config *Config, node Node, folder string, client kubernetes.Interface) (*service, error) {
	for _, name := range []string{"containers", "sandboxes"} { // of an agent that was killed
		if err := os.RemoveAll(filepath.Join(folder, name)); err != nil {
			klog.ErrorS(err, "Remains could not be removed", "folder", name)
		}
	}
	made := &service{
		config: config, node: node, folder: folder, client: client,
		sandboxes: map[string]*sandbox{}, containers: map[string]*container{},
	}
	defaults := streaming.DefaultConfig
	// Only the kubelet's own server calls it; the path has a token of its own for each request.
	defaults.Addr = "127.0.0.1:0"
	defaults.BaseURL = &url.URL{Scheme: "http"}
	streams, err := streaming.NewServer(defaults, streamer{made})
	if err != nil {
		return nil, err
	}
	made.streams = streams
	go func() {
		klog.ErrorS(streams.Start(true), "The streaming server ended")
	}()
	return made, nil
}

func kubeletSettings(
	config *Config, node Node, folder string,
) (*options.KubeletFlags, *kubeletconfig.KubeletConfiguration, error) {
	flags := options.NewKubeletFlags()
	flags.RootDirectory = filepath.Join(folder, "kubelet")
	flags.CertDirectory = filepath.Join(folder, "pki")
	flags.HostnameOverride = node.Name
	flags.NodeIP = node.IP
	settings, err := options.NewKubeletConfiguration()
	if err != nil {
		return nil, nil, err
	}
	settings.ProviderID = node.ProviderID
	settings.RegisterNode = true
	settings.EnableServer = true
	settings.Address = node.IP
	settings.Port = kubeletPort
	settings.ReadOnlyPort = 0
	settings.HealthzPort = 0
	settings.Authentication.X509.ClientCAFile = config.ClientCA
	settings.Authentication.Webhook.Enabled = true
	settings.Authentication.Anonymous.Enabled = false
	settings.Authorization.Mode = kubeletconfig.KubeletAuthorizationModeWebhook
	settings.MaxPods = int32(node.MaxPods)
	settings.ClusterDNS = []string{config.ClusterDNS}
	settings.ClusterDomain = clusterDomain
	settings.ResolverConfig = "" // no search domain of this machine
	settings.PodLogsDir = filepath.Join(folder, "logs")
	settings.FailSwapOn = false
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return nil, nil, err
	}
	settings.MaxOpenFiles = int64(files.Max)
	settings.MakeIPTablesUtilChains = false
	settings.EnableControllerAttachDetach = false
	settings.CgroupsPerQOS = false
	settings.EnforceNodeAllocatable = []string{}
	settings.LocalStorageCapacityIsolation = true
	settings.EvictionHard = map[string]string{} // the machine's memory and disk are not the instance's
	settings.ImageGCHighThresholdPercent, settings.ImageGCLowThresholdPercent = 100, 99
	// Devices come and go within a second, as the emulated nodes' do.
	settings.NodeStatusUpdateFrequency = meta.Duration{Duration: time.Second}
	settings.SerializeImagePulls = false
	settings.ConfigMapAndSecretChangeDetectionStrategy = kubeletconfig.WatchChangeDetectionStrategy
	return flags, settings, nil
}

func kubeletDependencies(
	config *Config, node Node, folder string, flags *options.KubeletFlags,
	settings *kubeletconfig.KubeletConfiguration, client *kubernetes.Clientset,
) (*kubelet.Dependencies, error) {
	ctx := context.Background()
	if err := os.MkdirAll(flags.CertDirectory, 0o700); err != nil {
		return nil, err
	}
	tlsOptions, err := app.InitializeTLS(ctx, flags, settings)
	if err != nil {
		return nil, err
	}
	tlsOptions.Config.MinVersion = tls.VersionTLS12
	auth, watch, err := app.BuildAuth(types.NodeName(node.Name), client, *settings)
	if err != nil {
		return nil, err
	}
	watch(make(chan struct{}))
	mounter := mount.New("")
	var volumes []volume.VolumePlugin
	for _, plugins := range [][]volume.VolumePlugin{
		emptydir.ProbeVolumePlugins(), configmap.ProbeVolumePlugins(), secret.ProbeVolumePlugins(),
		projected.ProbeVolumePlugins(), downwardapi.ProbeVolumePlugins(), local.ProbeVolumePlugins(),
		// Without the check of types: what node agents mount of a node is not there, and they run by decree.
		hostpath.FakeProbeVolumePlugins(volume.VolumeConfig{}),
	} {
		volumes = append(volumes, plugins...)
	}
	return &kubelet.Dependencies{
		Auth: auth, KubeClient: client, HeartbeatClient: client, EventClient: client.CoreV1(),
		CAdvisorInterface: &machine{node, folder},
		ContainerManager:  &manager{cm.NewStubContainerManager(), node, config.DeviceFile, map[core.ResourceName]bool{}},
		VolumePlugins:     volumes, TLSOptions: tlsOptions,
		OOMAdjuster: oom.NewFakeOOMAdjuster(), Mounter: mounter, Subpather: subpath.New(mounter),
		HostUtil: hostutil.NewHostUtil(), TracerProvider: noop.NewTracerProvider(),
		PodStartupLatencyTracker:  kubeletutil.NewPodStartupLatencyTracker(),
		NodeStartupLatencyTracker: kubeletutil.NewNodeStartupLatencyTracker(),
	}, nil
}

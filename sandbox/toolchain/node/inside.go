package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

// stateFolder is where the nodes' files lie inside.
const stateFolder = "/var/log/nodes"

// awsPort is where AWS answers at the gateway's address.
const awsPort = "4566"

// runInside is the first process in the live world's namespaces.
func runInside(path string) error {
	config, err := read[*Config](path)
	if err != nil {
		return err
	}
	if err := prepare(config.State); err != nil {
		return err
	}
	for address, socket := range map[string]string{config.APIServer: "api", net.JoinHostPort(gateway, awsPort): "aws"} {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		outside := socketPath(config, socket)
		go serve(listener, func() (net.Conn, error) { return net.Dial("unix", outside) })
	}
	if err := serveConnect(socketPath(config, "connect")); err != nil {
		return err
	}
	client, err := clientFor(config.Kubeconfig)
	if err != nil {
		return err
	}
	outside := &outsideNames{known: map[string]string{}}
	go outside.keep(config)
	if err := startServices(client, config.ClusterDNS, outside); err != nil {
		return err
	}
	return keepNodes(path, config)
}

// prepare makes the namespaces fit to live in.
func prepare(state string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("private mounts: %w", err)
	}
	// That of the machine shows other numbers than this namespace's processes have.
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("/proc: %w", err)
	}
	// The kubelet links the logs of containers in /var/log/containers, which is not changeable.
	if err := unix.Mount("tmpfs", "/var/log", "tmpfs", 0, "mode=755,size=16m"); err != nil {
		return fmt.Errorf("/var/log: %w", err)
	}
	// The kubelet has sockets among its files, and whoever names the world's folder may not think of 107 characters.
	for _, folder := range []string{state, stateFolder} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
	}
	if err := unix.Mount(state, stateFolder, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("%s: %w", stateFolder, err)
	}
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	if err := netlink.LinkSetUp(loopback); err != nil {
		return err
	}
	if err := addAddress(gateway); err != nil {
		return err
	}
	// From pod to pod, as the VPC's network would carry it.
	return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644)
}

// addAddress makes an address this namespace's own; one that is there already is no error.
func addAddress(address string) error {
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	parsed, err := netlink.ParseAddr(address + "/32")
	if err != nil {
		return err
	}
	return netlink.AddrReplace(loopback, parsed)
}

func removeAddress(address string) {
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return
	}
	if parsed, err := netlink.ParseAddr(address + "/32"); err == nil {
		_ = netlink.AddrDel(loopback, parsed)
	}
}

func clientFor(kubeconfig string) (*kubernetes.Clientset, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 100, 200
	return kubernetes.NewForConfig(config)
}

// agent is the kubelet of one node.
type agent struct {
	node Node
	end  chan struct{}
	gone chan struct{}
}

// keepNodes keeps a kubelet for each node of the file, which the daemon rewrites. It never returns without an error.
func keepNodes(path string, config *Config) error {
	agents := map[string]*agent{}
	for {
		wanted := map[string]Node{}
		nodes, err := read[[]Node](config.NodesFile)
		if err != nil && !os.IsNotExist(err) {
			return err
		}
		for _, node := range nodes {
			wanted[node.Name] = node
		}
		for name, standing := range agents {
			if node, found := wanted[name]; !found || !reflect.DeepEqual(node, standing.node) {
				close(standing.end)
				<-standing.gone
				removeAddress(standing.node.IP)
				delete(agents, name)
			}
		}
		for name, node := range wanted {
			if agents[name] == nil {
				if err := addAddress(node.IP); err != nil {
					return err
				}
				agents[name] = startAgent(path, config, node)
			}
		}
		reap()
		time.Sleep(300 * time.Millisecond)
	}
}

// startAgent keeps a node's kubelet running until its `end` is closed.
func startAgent(path string, config *Config, node Node) *agent {
	kept := &agent{node: node, end: make(chan struct{}), gone: make(chan struct{})}
	go func() {
		defer close(kept.gone)
		runtime.LockOSThread() // the kernel ends the kubelet with the thread that started it
		for {
			began := time.Now()
			command, err := startKubelet(path, config, node)
			if err != nil {
				klog.ErrorS(err, "The kubelet did not start", "node", node.Name)
			} else {
				ended := make(chan error, 1)
				kubelets.Store(command.Process.Pid, true)
				go func() {
					err := command.Wait()
					kubelets.Delete(command.Process.Pid)
					ended <- err
				}()
				select {
				case err := <-ended:
					klog.InfoS("The kubelet ended and is started again", "node", node.Name, "err", err, "after", time.Since(began))
				case <-kept.end:
					// An instance that is terminated: its processes end with it, at once.
					_ = command.Process.Kill()
					<-ended
					return
				}
			}
			select {
			case <-kept.end:
				return
			case <-time.After(time.Second):
			}
		}
	}()
	return kept
}

func startKubelet(path string, config *Config, node Node) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(stateFolder, node.Name)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(folder, "kubelet.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	command := exec.Command(self, "kubelet", path)
	command.Env = append(os.Environ(), "BASTIDE_LIVE_NODE="+node.Name)
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return command, command.Start()
}

// kubelets are the processes that a goroutine waits for.
var kubelets sync.Map

// reap takes note of the end of processes whose parent is gone: those of a kubelet that was killed. As in any
// container, the first process is whose duty it is.
func reap() {
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		if err != nil || info.Signo == 0 {
			return
		}
		// siginfo_t has the process's number behind its first four (sigaction(2)); x/sys does not name it.
		pid := int(*(*int32)(unsafe.Add(unsafe.Pointer(&info), 16)))
		if _, awaited := kubelets.Load(pid); awaited {
			return
		}
		_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
	}
}

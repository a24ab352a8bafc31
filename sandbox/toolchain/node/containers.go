package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// container is one container: a process, or none where its image has no program here.
type container struct {
	id       string
	sandbox  *sandbox
	config   *cri.ContainerConfig
	image    *Image // nil: it counts as running by decree
	folder   string
	log      *containerLog
	created  int64
	started  int64
	finished int64
	state    cri.ContainerState
	exit     int32
	reason   string
	message  string
	process  *exec.Cmd
	ended    chan struct{}
}

func notFound(what, id string) error { return status.Errorf(codes.NotFound, "no %s %s", what, id) }

func (s *service) container(id string) (*container, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	found := s.containers[id]
	if found == nil {
		return nil, notFound("container", id)
	}
	return found, nil
}

// CreateContainer notes what a container is to be.
func (s *service) CreateContainer(
	_ context.Context, sandboxID string, config *cri.ContainerConfig, _ *cri.PodSandboxConfig,
) (string, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	within := s.sandboxes[sandboxID]
	if within == nil {
		return "", notFound("pod sandbox", sandboxID)
	}
	made := &container{
		id: newID(), sandbox: within, config: config, image: findImage(s.config.Images, config.Image.Image),
		created: time.Now().UnixNano(), state: cri.ContainerState_CONTAINER_CREATED, ended: make(chan struct{}),
	}
	made.folder = filepath.Join(s.folder, "containers", made.id)
	if err := os.MkdirAll(filepath.Join(made.folder, "root"), 0o755); err != nil {
		return "", err
	}
	log, err := openLog(filepath.Join(within.config.LogDirectory, config.LogPath))
	if err != nil {
		return "", err
	}
	made.log = log
	s.containers[made.id] = made
	return made.id, nil
}

// StartContainer starts its process; a command that cannot be started is the error.
func (s *service) StartContainer(ctx context.Context, id string) error {
	found, err := s.container(id)
	if err != nil {
		return err
	}
	if found.image == nil {
		return s.decree(ctx, found)
	}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the kernel ends the container with the thread that started it
		found.run(s.config.Livepod, s.node, started, s.set)
	}()
	return <-started
}

// set changes a container under the lock.
func (s *service) set(change func()) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	change()
}

// decree lets a container count as running that has no process, or as done where the pod waits for its end.
func (s *service) decree(ctx context.Context, found *container) error {
	metadata := found.sandbox.config.Metadata
	pod, err := s.client.CoreV1().Pods(metadata.Namespace).Get(ctx, metadata.Name, meta.GetOptions{})
	if err != nil {
		return err
	}
	finite := pod.Spec.RestartPolicy != "Always"
	for _, each := range pod.Spec.InitContainers {
		if each.Name == found.config.Metadata.Name {
			finite = each.RestartPolicy == nil
		}
	}
	for _, each := range append(append([]core.Container{}, pod.Spec.InitContainers...), pod.Spec.Containers...) {
		if each.Name == found.config.Metadata.Name && !finite {
			found.answerProbes(s.node, probePorts(each))
		}
	}
	found.log.write("stdout", fmt.Sprintf("%s has no program in the sandbox: running by decree", found.config.Image.Image))
	s.set(func() {
		found.started, found.state = time.Now().UnixNano(), cri.ContainerState_CONTAINER_RUNNING
		if finite {
			found.end(0, "Completed", "")
		}
	})
	return nil
}

// end notes that a container has ended; the caller holds the lock.
func (c *container) end(code int32, reason, message string) {
	if c.state == cri.ContainerState_CONTAINER_EXITED {
		return
	}
	c.state, c.exit, c.reason, c.message = cri.ContainerState_CONTAINER_EXITED, code, reason, message
	c.finished = time.Now().UnixNano()
	c.log.close()
	close(c.ended)
}

// run starts the process, tells how that went, and stays until it has ended.
func (c *container) run(livepod string, node Node, started chan<- error, set func(func())) {
	process, failed, err := c.start(livepod, node)
	if err != nil {
		set(func() { c.end(128, "StartError", err.Error()) })
		started <- err
		return
	}
	set(func() {
		c.process, c.started, c.state = process, time.Now().UnixNano(), cri.ContainerState_CONTAINER_RUNNING
	})
	// It says nothing, and the pipe ends, when the container's own command begins.
	said, _ := io.ReadAll(failed)
	failed.Close()
	if len(said) > 0 {
		_ = process.Wait()
		message := "failed to start container: " + string(said)
		set(func() { c.end(127, "StartError", message) })
		started <- status.Error(codes.Unknown, message)
		return
	}
	started <- nil
	_ = process.Wait()
	code, reason := outcome(process.ProcessState)
	set(func() { c.end(code, reason, "") })
}

func outcome(state *os.ProcessState) (int32, string) {
	waited, _ := state.Sys().(syscall.WaitStatus)
	code := int32(waited.ExitStatus())
	if waited.Signaled() {
		code = 128 + int32(waited.Signal())
	}
	if code == 0 {
		return 0, "Completed"
	}
	return code, "Error"
}

func (c *container) start(livepod string, node Node) (*exec.Cmd, *os.File, error) {
	specRead, specWrite, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	failedRead, failedWrite, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	command := exec.Command(livepod, "run")
	command.Env = []string{}
	command.ExtraFiles = []*os.File{specRead, failedWrite}
	spec := c.spec(node)
	if c.sandbox.namespaces != nil {
		command.ExtraFiles = append(command.ExtraFiles, c.sandbox.namespaces.files...)
		spec.Namespaces = len(c.sandbox.namespaces.files)
	}
	command.Stdout, command.Stderr = c.log.stream("stdout"), c.log.stream("stderr")
	// What the container left running holds its output open; it is gone with the process namespace.
	command.WaitDelay = 2 * time.Second
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS,
		Setsid:     true,
		Pdeathsig:  syscall.SIGKILL,
	}
	err = command.Start()
	specRead.Close()
	failedWrite.Close()
	if err != nil {
		specWrite.Close()
		failedRead.Close()
		return nil, nil, err
	}
	err = json.NewEncoder(specWrite).Encode(spec)
	specWrite.Close()
	return command, failedRead, err
}

// Mount and containerSpec are what `livepod run` reads (livepod/spec.go).
type mountSpec struct {
	Source   string `json:"source"`
	Target   string `json:"target"`
	ReadOnly bool   `json:"readOnly"`
}

type containerSpec struct {
	Root         string      `json:"root"`
	ReadOnlyRoot bool        `json:"readOnlyRoot"`
	Visible      []string    `json:"visible"`
	Mounts       []mountSpec `json:"mounts"`
	Command      []string    `json:"command"`
	Env          []string    `json:"env"`
	Workdir      string      `json:"workdir"`
	Namespaces   int         `json:"namespaces"`
}

func (c *container) spec(node Node) containerSpec {
	spec := containerSpec{
		Root:         filepath.Join(c.folder, "root"),
		ReadOnlyRoot: c.config.GetLinux().GetSecurityContext().GetReadonlyRootfs(),
		Visible:      c.image.Visible,
		Command:      append(append([]string{}, c.config.Command...), c.config.Args...),
		Env:          c.environment(node),
		Workdir:      c.config.WorkingDir,
	}
	for _, name := range []string{"resolv.conf", "hostname"} {
		spec.Mounts = append(spec.Mounts, mountSpec{filepath.Join(c.sandbox.folder, name), "/etc/" + name, true})
	}
	for _, each := range c.config.Mounts {
		spec.Mounts = append(spec.Mounts, mountSpec{each.HostPath, each.ContainerPath, each.Readonly})
	}
	return spec
}

// environment is the image's, and over it the pod's. An image may use the pod's address as $POD_IP.
func (c *container) environment(node Node) []string {
	address := c.sandbox.address
	if address == "" {
		address = node.IP
	}
	values := map[string]string{"PATH": strings.Join(append(c.image.Path,
		"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"), ":"),
		"HOSTNAME": c.sandbox.config.Hostname, "HOME": "/root"}
	for key, value := range c.image.Env {
		values[key] = strings.ReplaceAll(value, "$POD_IP", address)
	}
	for _, each := range c.config.Envs {
		values[each.Key] = each.Value
	}
	var lines []string
	for key, value := range values {
		lines = append(lines, key+"="+value)
	}
	return lines
}

// StopContainer asks the process to end, and ends it after `timeout` seconds.
func (s *service) StopContainer(ctx context.Context, id string, timeout int64) error {
	found, err := s.container(id)
	if err != nil {
		return nil // it is gone already
	}
	s.mutex.Lock()
	process, state := found.process, found.state
	if process == nil && state != cri.ContainerState_CONTAINER_EXITED {
		found.end(0, "Completed", "")
	}
	s.mutex.Unlock()
	if process == nil || state == cri.ContainerState_CONTAINER_EXITED {
		return nil
	}
	if timeout > 0 {
		_ = process.Process.Signal(syscall.SIGTERM)
		select {
		case <-found.ended:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(timeout) * time.Second):
		}
	}
	// The first process of a process namespace takes all others with it.
	_ = process.Process.Kill()
	select {
	case <-found.ended:
		return nil
	case <-time.After(20 * time.Second):
		return fmt.Errorf("container %s did not end after SIGKILL", id)
	}
}

// RemoveContainer forgets an ended container.
func (s *service) RemoveContainer(ctx context.Context, id string) error {
	if err := s.StopContainer(ctx, id, 0); err != nil {
		return err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if found := s.containers[id]; found != nil {
		found.forget()
		delete(s.containers, id)
	}
	return nil
}

func (c *container) forget() {
	c.log.close()
	os.RemoveAll(c.folder)
}

// ListContainers lists containers.
func (s *service) ListContainers(_ context.Context, filter *cri.ContainerFilter) ([]*cri.Container, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var found []*cri.Container
	for _, each := range s.containers {
		if filter.GetId() != "" && filter.GetId() != each.id ||
			filter.GetPodSandboxId() != "" && filter.GetPodSandboxId() != each.sandbox.id ||
			filter.GetState() != nil && filter.GetState().State != each.state ||
			!selects(filter.GetLabelSelector(), each.config.Labels) {
			continue
		}
		found = append(found, &cri.Container{
			Id: each.id, PodSandboxId: each.sandbox.id, Metadata: each.config.Metadata, Image: each.config.Image,
			ImageRef: each.config.Image.Image, ImageId: each.config.Image.Image, State: each.state,
			CreatedAt: each.created, Labels: each.config.Labels, Annotations: each.config.Annotations,
		})
	}
	return found, nil
}

// ContainerStatus tells of one container.
func (s *service) ContainerStatus(_ context.Context, id string, _ bool) (*cri.ContainerStatusResponse, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	found := s.containers[id]
	if found == nil {
		return nil, notFound("container", id)
	}
	return &cri.ContainerStatusResponse{Status: &cri.ContainerStatus{
		Id: id, Metadata: found.config.Metadata, State: found.state, CreatedAt: found.created,
		StartedAt: found.started, FinishedAt: found.finished, ExitCode: found.exit, Reason: found.reason,
		Message: found.message, Image: found.config.Image, ImageRef: found.config.Image.Image,
		ImageId: found.config.Image.Image, Labels: found.config.Labels, Annotations: found.config.Annotations,
		Mounts: found.config.Mounts, LogPath: found.log.path,
	}}, nil
}

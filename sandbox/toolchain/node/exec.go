package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"k8s.io/client-go/tools/remotecommand"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
	remote "k8s.io/cri-client/pkg"
	utilexec "k8s.io/utils/exec"
)

// enter is a command in a running container.
func (s *service) enter(ctx context.Context, id string, command []string) (*exec.Cmd, error) {
	found, err := s.container(id)
	if err != nil {
		return nil, err
	}
	s.mutex.Lock()
	process, state := found.process, found.state
	s.mutex.Unlock()
	if state != cri.ContainerState_CONTAINER_RUNNING {
		return nil, fmt.Errorf("container %s does not run", id)
	}
	if process == nil {
		return nil, nil
	}
	arguments := append([]string{"enter", strconv.Itoa(process.Process.Pid)}, command...)
	entered := exec.CommandContext(ctx, s.config.Livepod, arguments...)
	entered.Env = found.environment(s.node)
	entered.Cancel = func() error { return entered.Process.Signal(syscall.SIGTERM) } // it ends its command
	entered.WaitDelay = time.Second
	return entered, nil
}

// failure is the error of a command that ended badly, as the kubelet's probes and kubectl read it.
func failure(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return utilexec.CodeExitError{Err: err, Code: exit.ExitCode()}
	}
	return err
}

// ExecSync runs a probe's or a hook's command. In a container that counts as running by decree it succeeds.
func (s *service) ExecSync(
	ctx context.Context, id string, command []string, timeout time.Duration,
) ([]byte, []byte, error) {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	entered, err := s.enter(ctx, id, command)
	if err != nil || entered == nil {
		return nil, nil, err
	}
	var out, errs bytes.Buffer
	entered.Stdout, entered.Stderr = &out, &errs
	err = entered.Run()
	if err != nil && ctx.Err() != nil {
		return out.Bytes(), errs.Bytes(),
			fmt.Errorf("%w: %q timed out after %s", remote.ErrCommandTimedOut, strings.Join(command, " "), timeout)
	}
	return out.Bytes(), errs.Bytes(), failure(err)
}

// streamer serves `kubectl exec` and `kubectl port-forward`.
type streamer struct{ service *service }

func (r streamer) Exec(
	ctx context.Context, id string, command []string, in io.Reader, out, errs io.WriteCloser, tty bool,
	_ <-chan remotecommand.TerminalSize,
) error {
	if tty {
		return errors.New("the sandbox gives no terminal: leave out -t")
	}
	entered, err := r.service.enter(ctx, id, command)
	if err != nil {
		return err
	}
	if entered == nil {
		return errors.New("this container runs by decree: there is nothing to enter")
	}
	entered.Stdin, entered.Stdout, entered.Stderr = in, out, errs
	return failure(entered.Run())
}

func (r streamer) Attach(
	context.Context, string, io.Reader, io.WriteCloser, io.WriteCloser, bool, <-chan remotecommand.TerminalSize,
) error {
	return errors.New("the sandbox attaches to no container: use kubectl logs -f, or exec")
}

func (r streamer) PortForward(_ context.Context, sandboxID string, port int32, stream io.ReadWriteCloser) error {
	r.service.mutex.Lock()
	found := r.service.sandboxes[sandboxID]
	r.service.mutex.Unlock()
	if found == nil {
		return notFound("pod sandbox", sandboxID)
	}
	other, err := dialIn(found.namespaces, net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port))))
	if err != nil {
		return err
	}
	defer other.Close()
	done := make(chan error, 2)
	go func() { _, err := io.Copy(stream, other); done <- err }()
	go func() {
		_, err := io.Copy(other, stream)
		if half, ok := other.(halfCloser); ok {
			_ = half.CloseWrite()
		}
		if err != nil {
			done <- err
		}
	}()
	return <-done
}

func (s *service) Exec(_ context.Context, request *cri.ExecRequest) (*cri.ExecResponse, error) {
	return s.streams.GetExec(request)
}

func (s *service) Attach(_ context.Context, request *cri.AttachRequest) (*cri.AttachResponse, error) {
	return s.streams.GetAttach(request)
}

func (s *service) PortForward(_ context.Context, request *cri.PortForwardRequest) (*cri.PortForwardResponse, error) {
	return s.streams.GetPortForward(request)
}

package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/klog/v2"
)

// longestSocket is the longest path of a Unix socket (unix(7), sun_path).
const longestSocket = 107

func socketPath(config *Config, name string) string {
	return filepath.Join(config.Folder, name+".sock")
}

// runWorld starts the part inside the namespaces, and connects it with the API server and AWS outside. It is all
// of the live world that anyone outside has to know: its death is the death of everything inside.
func runWorld(path string) error {
	// The kernel ends a child when the thread that started it ends, so this one stays.
	runtime.LockOSThread()
	config, err := read[*Config](path)
	if err != nil {
		return err
	}
	if length := len(socketPath(config, "connect")); length > longestSocket {
		return fmt.Errorf("the world's folder has too long a path: its sockets' would have %d characters and at most %d "+
			"are allowed; set BASTIDE_SANDBOX_HOME to a shorter one", length, longestSocket)
	}
	if err := os.MkdirAll(config.Folder, 0o700); err != nil {
		return err
	}
	for name, address := range map[string]string{"api": config.APIServer, "aws": config.AWS} {
		if err := forwardFrom(socketPath(config, name), "tcp", address); err != nil {
			return err
		}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	child := exec.Command(self, "inside", path)
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	child.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
		// One user is all that an ordinary user may map, so all have this one.
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	go keepForwards(config)
	go keepOutside(config)
	if err := child.Start(); err != nil {
		return fmt.Errorf("namespaces of its own: %w (live pods need unprivileged user namespaces: sysctl "+
			"kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns, user.max_user_namespaces)", err)
	}
	return child.Wait()
}

// forwardFrom listens on a Unix socket and connects each caller with an address.
func forwardFrom(socket, network, address string) error {
	_ = os.Remove(socket)
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	go serve(listener, func() (net.Conn, error) { return net.DialTimeout(network, address, 10*time.Second) })
	return nil
}

// serve connects whoever comes with what `dial` gives, until the listener is closed.
func serve(listener net.Listener, dial func() (net.Conn, error)) {
	for {
		caller, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			other, err := dial()
			if err != nil {
				klog.V(1).InfoS("No connection", "for", listener.Addr(), "err", err)
				refuse(caller)
				return
			}
			pipe(caller, other)
		}()
	}
}

// refuse ends a connection so that the caller sees a reset, as from a port that nobody listens on.
func refuse(caller net.Conn) {
	if tcp, ok := caller.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	caller.Close()
}

type halfCloser interface{ CloseWrite() error }

// pipe copies both ways; the end of one way is told to the other side, and the other way goes on.
func pipe(first, second net.Conn) {
	done := make(chan struct{}, 2)
	one := func(to, from net.Conn) {
		_, err := io.Copy(to, from)
		if half, ok := to.(halfCloser); ok && err == nil {
			_ = half.CloseWrite()
		} else {
			refuse(to)
		}
		done <- struct{}{}
	}
	go one(first, second)
	go one(second, first)
	<-done
	<-done
	first.Close()
	second.Close()
}

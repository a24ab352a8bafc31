package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// enter runs a command in the namespaces of a container's first process, with this process's own environment, and
// returns its exit status: 126 and 127 as a shell has them, 128 and the signal's number for a killed one.
func enter(pid string, command []string) (int, error) {
	runtime.LockOSThread()
	namespaces := []string{"net", "uts", "ipc", "pid", "mnt"}
	files := make([]*os.File, 0, len(namespaces))
	for _, name := range namespaces {
		file, err := os.Open(fmt.Sprintf("/proc/%s/ns/%s", pid, name))
		if err != nil {
			return 126, fmt.Errorf("the container is gone: %w", err)
		}
		files = append(files, file)
	}
	// A thread that shares its root with others may not change its mounts (setns(2)).
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return 126, err
	}
	for i, file := range files {
		if err := unix.Setns(int(file.Fd()), 0); err != nil {
			return 126, fmt.Errorf("the container's %s namespace: %w", namespaces[i], err)
		}
		file.Close()
	}
	if err := os.Chdir("/"); err != nil {
		return 126, err
	}
	program, err := lookUp(command[0], os.Environ())
	if err != nil {
		return 127, err
	}
	if err := giveUpCapabilities(); err != nil {
		return 126, err
	}
	child := &exec.Cmd{
		Path: program, Args: command, Env: os.Environ(),
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	}
	// Go's own Pdeathsig takes a parent in another process namespace for a dead one.
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	if err := child.Start(); err != nil {
		return 126, err
	}
	go func() {
		<-stop
		_ = child.Process.Kill()
	}()
	_ = child.Wait()
	status, _ := child.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return status.ExitStatus(), nil
}

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// run makes this process the container's: namespaces, root, no capabilities, and then the command.
func run() error {
	runtime.LockOSThread() // namespaces and capabilities belong to a thread, and exec keeps the calling one's
	spec, err := readSpec()
	if err != nil {
		return err
	}
	for fd := firstNS; fd < firstNS+spec.Namespaces; fd++ {
		if err := unix.Setns(fd, 0); err != nil {
			return fmt.Errorf("the pod's namespaces: %w", err)
		}
		unix.Close(fd)
	}
	unix.CloseOnExec(reportFD)
	if err := makeRoot(spec); err != nil {
		return err
	}
	unix.Umask(0o022)
	workdir := spec.Workdir
	if workdir == "" {
		workdir = "/"
	}
	if err := os.Chdir(workdir); err != nil {
		return fmt.Errorf("working directory %s: %w", workdir, err)
	}
	program, err := lookUp(spec.Command[0], spec.Env)
	if err != nil {
		return err
	}
	if err := giveUpCapabilities(); err != nil {
		return err
	}
	// After the last change of identity, which would clear it: the container never outlives its node.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return err
	}
	return fmt.Errorf("%s: %w", program, unix.Exec(program, spec.Command, spec.Env))
}

// giveUpCapabilities takes every capability from this thread and from all that it starts.
func giveUpCapabilities() error {
	for capability := uintptr(0); capability <= unix.CAP_LAST_CAP; capability++ {
		err := unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0)
		if err != nil && !errors.Is(err, unix.EINVAL) { // EINVAL: this kernel has no such capability
			return fmt.Errorf("capability %d could not be dropped: %w", capability, err)
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	return nil
}

// lookUp finds a command as a container runtime does: by the container's own PATH, in the container's root.
func lookUp(name string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		if err := executable(name); err != nil {
			return "", fmt.Errorf("exec: %q: %w", name, err)
		}
		return name, nil
	}
	path := "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	for _, variable := range env {
		if value, found := strings.CutPrefix(variable, "PATH="); found {
			path = value
		}
	}
	for _, folder := range filepath.SplitList(path) {
		candidate := filepath.Join(folder, name)
		if executable(candidate) == nil {
			return candidate, nil
		}
	}
	return "", fmt.Errorf("exec: %q: executable file not found in $PATH", name)
}

func executable(path string) error {
	found, err := os.Stat(path)
	if err != nil {
		return err
	}
	if found.IsDir() || found.Mode()&0o111 == 0 {
		return os.ErrPermission
	}
	return nil
}

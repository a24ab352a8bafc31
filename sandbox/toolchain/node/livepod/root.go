package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"golang.org/x/sys/unix"
)

// Folders of the machine that a container has its own of. The rest is there, read-only.
var own = map[string]bool{"proc": true, "dev": true, "tmp": true, "run": true, "mnt": true, "media": true}

// Devices that the OCI runtime specification gives every container.
var devices = []string{"null", "zero", "full", "random", "urandom", "tty"}

// makeRoot builds the container's file system and makes it this process's root.
func makeRoot(spec *Spec) error {
	// Nothing that is mounted here may reach the node's own mounts.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("private mounts: %w", err)
	}
	if err := tmpfs(spec.Root, "mode=755"); err != nil {
		return err
	}
	if err := machine(spec); err != nil {
		return err
	}
	sort.SliceStable(spec.Mounts, func(i, j int) bool { return len(spec.Mounts[i].Target) < len(spec.Mounts[j].Target) })
	for i, mount := range spec.Mounts {
		target := inside(spec.Root, mount.Target)
		spec.Mounts[i].Target = target
		if under(spec.Mounts[:i], target) {
			continue // it lies in another volume, and is made there
		}
		if err := mountPoint(spec.Root, target, mount.Source); err != nil {
			return fmt.Errorf("mount point %s: %w", mount.Target, err)
		}
	}
	if err := readOnly(spec.Root, true); err != nil {
		return fmt.Errorf("read-only root: %w", err)
	}
	if !spec.ReadOnlyRoot {
		if err := unix.MountSetattr(unix.AT_FDCWD, spec.Root, 0, &unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY}); err != nil {
			return fmt.Errorf("writable root: %w", err)
		}
	}
	if err := kernel(spec); err != nil {
		return err
	}
	for _, mount := range spec.Mounts {
		if err := volume(mount); err != nil {
			return fmt.Errorf("mount of %s: %w", mount.Target, err)
		}
	}
	for _, path := range spec.Visible {
		// The image's programs lie at the machine's paths, and a volume of the pod may hide one.
		target := filepath.Join(spec.Root, path)
		if !under(spec.Mounts, target) {
			continue
		}
		if err := volume(Mount{Source: path, Target: target, ReadOnly: true}); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	if err := os.Chdir(spec.Root); err != nil {
		return err
	}
	// The old root lies under the new one for a moment, and is taken away (pivot_root(2), "pivot_root(".", ".")").
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	return unix.Unmount(".", unix.MNT_DETACH)
}

func tmpfs(target, options string) error {
	if err := unix.Mount("tmpfs", target, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		return fmt.Errorf("tmpfs on %s: %w", target, err)
	}
	return nil
}

func bind(source, target string) error {
	return unix.Mount(source, target, "", unix.MS_BIND|unix.MS_REC, "")
}

func readOnly(target string, recursive bool) error {
	flags := uint(0)
	if recursive {
		flags = unix.AT_RECURSIVE
	}
	return unix.MountSetattr(unix.AT_FDCWD, target, flags, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
}

// machine fills the new root with the machine's folders, and makes sure of those that must be visible.
func machine(spec *Spec) error {
	if err := children("/", spec.Root, own); err != nil {
		return err
	}
	for name := range own {
		mode := os.FileMode(0o755)
		if name == "tmp" {
			mode = 0o777 | os.ModeSticky
		}
		path := filepath.Join(spec.Root, name)
		if err := os.MkdirAll(path, mode); err != nil {
			return err
		}
		if err := os.Chmod(path, mode); err != nil { // whatever the umask
			return err
		}
	}
	for _, path := range spec.Visible {
		target := filepath.Join(spec.Root, path)
		if _, err := os.Stat(target); err == nil {
			continue
		}
		if err := mountPoint(spec.Root, target, path); err != nil {
			return err
		}
		if err := bind(path, target); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// children binds what lies in one folder into another, but for the names in `without`.
func children(from, to string, without map[string]bool) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		source, target := filepath.Join(from, entry.Name()), filepath.Join(to, entry.Name())
		if without[entry.Name()] {
			continue
		}
		if entry.Type()&os.ModeSymlink != 0 {
			link, err := os.Readlink(source)
			if err != nil {
				return err
			}
			if err := os.Symlink(link, target); err != nil {
				return err
			}
			continue
		}
		if !entry.IsDir() && !entry.Type().IsRegular() {
			continue
		}
		if err := empty(target, entry.IsDir()); err != nil {
			return err
		}
		if err := bind(source, target); err != nil && !os.IsPermission(err) {
			return fmt.Errorf("%s: %w", source, err)
		}
	}
	return nil
}

func empty(path string, folder bool) error {
	if folder {
		return os.MkdirAll(path, 0o755)
	}
	file, err := os.OpenFile(path, os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	return file.Close()
}

// inside is where a container's path lies under the new root. Links on the way are the container's: followed from
// its root; one at the end is not followed, for it is replaced.
func inside(root, path string) string {
	at := root
	parts := strings.Split(strings.Trim(filepath.Clean("/"+path), "/"), "/")
	for hops := 0; len(parts) > 0; {
		next := filepath.Join(at, parts[0])
		link, err := os.Readlink(next)
		if err != nil || len(parts) == 1 || hops > 40 {
			at, parts = next, parts[1:]
			continue
		}
		hops++
		if filepath.IsAbs(link) {
			at = root
		}
		rest := strings.TrimPrefix(filepath.Join(at, link), root)
		parts = append(strings.Split(strings.Trim(rest, "/"), "/"), parts[1:]...)
		at = root
	}
	return at
}

// mountPoint makes sure that a path is there to be mounted on. A folder of the machine that lacks it is laid out
// anew: an empty one in its place, with everything that it held bound into it.
func mountPoint(root, target, source string) error {
	folder := true
	if found, err := os.Stat(source); err == nil {
		folder = found.IsDir()
	}
	at := root
	parts := strings.Split(strings.TrimPrefix(target, root+"/"), "/")
	for i, part := range parts {
		next := filepath.Join(at, part)
		found, err := os.Lstat(next)
		link := err == nil && found.Mode()&os.ModeSymlink != 0
		if err == nil && !link {
			at = next
			continue
		}
		wanted := folder || i < len(parts)-1
		if foreign(root, at) {
			if err := layOut(root, at); err != nil {
				return err
			}
		}
		if link { // to a file elsewhere, as /etc/resolv.conf often is: the container gets one of its own
			if err := os.Remove(next); err != nil {
				return err
			}
		}
		if err := empty(next, wanted); err != nil {
			return err
		}
		at = next
	}
	return nil
}

// laidOut are the folders that were laid out anew: they are the container's own.
var laidOut = map[string]bool{}

// foreign says whether a folder of the new root is the machine's, in which nothing must be made.
func foreign(root, folder string) bool {
	var found unix.Stat_t
	if unix.Stat(folder, &found) != nil {
		return true
	}
	for _, ours := range append(slices.Collect(maps.Keys(laidOut)), root) {
		var own unix.Stat_t
		if unix.Stat(ours, &own) == nil && own.Dev == found.Dev {
			return false
		}
	}
	return true
}

func layOut(root, folder string) error {
	source := strings.TrimPrefix(folder, root)
	if err := tmpfs(folder, "mode=755"); err != nil {
		return err
	}
	laidOut[folder] = true
	return children(source, folder, nil)
}

// kernel mounts what the kernel itself provides.
func kernel(spec *Spec) error {
	proc := filepath.Join(spec.Root, "proc")
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
	if err := unix.Mount("proc", proc, "proc", flags, ""); err != nil {
		return fmt.Errorf("/proc: %w", err)
	}
	// The nodes' own files.
	if err := tmpfs(filepath.Join(spec.Root, "var/log"), "mode=755,size=1m"); err != nil {
		return err
	}
	dev := filepath.Join(spec.Root, "dev")
	if err := tmpfs(dev, "mode=755"); err != nil {
		return err
	}
	for _, name := range devices {
		target := filepath.Join(dev, name)
		if err := empty(target, false); err != nil {
			return err
		}
		if err := bind("/dev/"+name, target); err != nil {
			return fmt.Errorf("/dev/%s: %w", name, err)
		}
	}
	for name, target := range map[string]string{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"} {
		if err := os.Symlink(target, filepath.Join(dev, name)); err != nil {
			return err
		}
	}
	shm := filepath.Join(dev, "shm")
	if err := empty(shm, true); err != nil {
		return err
	}
	// 64 MiB is what container runtimes give; a volume may be mounted over it.
	if err := tmpfs(shm, "mode=1777,size=64m"); err != nil {
		return err
	}
	// /dev is made after the root was laid out, so what is mounted in it gets its place here.
	for _, mount := range spec.Mounts {
		if strings.HasPrefix(mount.Target, dev+"/") {
			found, err := os.Stat(mount.Source)
			if err != nil {
				return err
			}
			if err := empty(mount.Target, found.IsDir()); err != nil {
				return err
			}
		}
	}
	return nil
}

// under says whether a path lies in one of the volumes.
func under(volumes []Mount, path string) bool {
	for _, each := range volumes {
		if strings.HasPrefix(path, each.Target+"/") {
			return true
		}
	}
	return false
}

func volume(mount Mount) error {
	found, err := os.Stat(mount.Source)
	if err != nil {
		return err
	}
	if _, err := os.Stat(mount.Target); err != nil { // in a volume that was mounted a moment ago
		if found.IsDir() {
			err = os.MkdirAll(mount.Target, 0o755)
		} else if err = os.MkdirAll(filepath.Dir(mount.Target), 0o755); err == nil {
			err = empty(mount.Target, false)
		}
		if err != nil {
			return err
		}
	}
	if err := bind(mount.Source, mount.Target); err != nil {
		return err
	}
	if mount.ReadOnly {
		return readOnly(mount.Target, true)
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"os"
	"time"

	cadvisor "github.com/google/cadvisor/info/v1"
	cadvisor2 "github.com/google/cadvisor/info/v2"
	"golang.org/x/sys/unix"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/kubernetes/pkg/kubelet/cm"
)

// machine tells the kubelet of the instance that the node stands for, not of the machine that it runs on.
type machine struct {
	node   Node
	folder string
}

var errUnmeasured = errors.New("the sandbox measures no containers")

func (m *machine) Start() error { return nil }

func (m *machine) MachineInfo() (*cadvisor.MachineInfo, error) {
	memory, err := resource.ParseQuantity(m.node.Capacity["memory"])
	if err != nil {
		return nil, err
	}
	return &cadvisor.MachineInfo{
		NumCores: m.node.Cores, MemoryCapacity: uint64(memory.Value()),
		MachineID: m.node.InstanceID, SystemUUID: m.node.InstanceID, BootID: m.node.InstanceID,
	}, nil
}

func (m *machine) VersionInfo() (*cadvisor.VersionInfo, error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return nil, err
	}
	return &cadvisor.VersionInfo{KernelVersion: unix.ByteSliceToString(name.Release[:]), ContainerOsVersion: "Bastide sandbox, live"}, nil
}

// ContainerInfoV2 has an empty measurement for whatever is asked: the eviction manager, which holds pods to the
// sizes of their volumes, wants one of the whole machine first.
func (m *machine) ContainerInfoV2(name string, _ cadvisor2.RequestOptions) (map[string]cadvisor2.ContainerInfo, error) {
	empty := []*cadvisor2.ContainerStats{{Timestamp: time.Now()}}
	return map[string]cadvisor2.ContainerInfo{name: {Stats: empty}}, nil
}

func (m *machine) GetRequestedContainersInfo(string, cadvisor2.RequestOptions) (map[string]*cadvisor.ContainerInfo, error) {
	return nil, errUnmeasured
}

func (m *machine) disk() (cadvisor2.FsInfo, error) {
	var disk unix.Statfs_t
	if err := unix.Statfs(m.folder, &disk); err != nil {
		return cadvisor2.FsInfo{}, err
	}
	size, inodes, free := uint64(disk.Bsize), disk.Files, disk.Ffree
	return cadvisor2.FsInfo{
		Mountpoint: m.folder, Capacity: disk.Blocks * size, Available: disk.Bavail * size,
		Usage: (disk.Blocks - disk.Bfree) * size, Inodes: &inodes, InodesFree: &free,
	}, nil
}

func (m *machine) ImagesFsInfo(context.Context) (cadvisor2.FsInfo, error)    { return m.disk() }
func (m *machine) ContainerFsInfo(context.Context) (cadvisor2.FsInfo, error) { return m.disk() }
func (m *machine) RootFsInfo() (cadvisor2.FsInfo, error)                     { return m.disk() }
func (m *machine) GetDirFsInfo(string) (cadvisor2.FsInfo, error)             { return m.disk() }

// manager is the kubelet's container manager without cgroups: it knows what the instance has, what EKS reserves of
// that, and what the device plugins on it announce.
type manager struct {
	cm.ContainerManager
	node    Node
	devices string // the file that the daemon writes
	seen    map[core.ResourceName]bool
}

func quantities(amounts map[string]string) core.ResourceList {
	found := core.ResourceList{}
	for name, amount := range amounts {
		if quantity, err := resource.ParseQuantity(amount); err == nil {
			found[core.ResourceName(name)] = quantity
		}
	}
	return found
}

func (m *manager) GetCapacity(bool) core.ResourceList {
	storage := quantities(m.node.Capacity)[core.ResourceEphemeralStorage]
	return core.ResourceList{core.ResourceEphemeralStorage: storage}
}

func (m *manager) GetNodeAllocatableReservation() core.ResourceList {
	reserved := quantities(m.node.Capacity)
	for name, allocatable := range quantities(m.node.Allocatable) {
		left := reserved[name]
		left.Sub(allocatable)
		reserved[name] = left
	}
	return reserved
}

func (m *manager) GetDevicePluginResourceCapacity() (core.ResourceList, core.ResourceList, []string) {
	announced, err := read[map[string]map[string]string](m.devices)
	if err != nil && !os.IsNotExist(err) {
		return nil, nil, nil
	}
	found, removed := quantities(announced[m.node.Name]), []string{}
	for name := range m.seen {
		if _, still := found[name]; !still {
			removed = append(removed, string(name))
		}
	}
	for name := range found {
		m.seen[name] = true
	}
	return found, found, removed
}

package main

import (
	"fmt"
	"net"
	"os"
	"runtime"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// namespaces are a pod's own network, host name and System V objects, held by open files until they are closed.
type namespaces struct {
	files []*os.File // network first
	veth  string
}

func (n *namespaces) close() {
	if n == nil {
		return
	}
	for _, file := range n.files {
		file.Close()
	}
	if link, err := netlink.LinkByName(n.veth); err == nil {
		_ = netlink.LinkDel(link) // the other end and the route go with it
	}
}

// newNamespaces makes a pod's namespaces and connects them as the VPC CNI does: a veth pair, the pod's address as a
// /32, everything through a gateway that is the node, and a route on the node for the one address.
func newNamespaces(hostname, address, veth string) (*namespaces, error) {
	type result struct {
		made *namespaces
		err  error
	}
	done := make(chan result)
	go func() {
		// Never unlocked: the thread has foreign namespaces then, and ends with this goroutine.
		runtime.LockOSThread()
		made, err := unshared(hostname, address, veth)
		done <- result{made, err}
	}()
	found := <-done
	if found.err != nil {
		found.made.close()
		return nil, fmt.Errorf("network of the pod: %w", found.err)
	}
	return found.made, nil
}

func unshared(hostname, address, veth string) (*namespaces, error) {
	made := &namespaces{veth: veth}
	outside, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return made, err
	}
	defer outside.Close()
	if err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC); err != nil {
		return made, err
	}
	if err := unix.Sethostname([]byte(hostname)); err != nil {
		return made, err
	}
	for _, name := range []string{"net", "uts", "ipc"} {
		file, err := os.Open("/proc/thread-self/ns/" + name)
		if err != nil {
			return made, err
		}
		made.files = append(made.files, file)
	}
	inside, err := netlink.NewHandle()
	if err != nil {
		return made, err
	}
	defer inside.Close()
	pair := &netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: "eth0", MTU: 9001}, // an EC2 interface's
		PeerName:  veth, PeerNamespace: netlink.NsFd(int(outside.Fd())),
	}
	if err := inside.LinkAdd(pair); err != nil {
		return made, fmt.Errorf("veth: %w", err)
	}
	if err := up(inside, "lo"); err != nil {
		return made, err
	}
	if err := up(inside, "eth0"); err != nil {
		return made, err
	}
	eth0, err := inside.LinkByName("eth0")
	if err != nil {
		return made, err
	}
	own, err := netlink.ParseAddr(address + "/32")
	if err != nil {
		return made, err
	}
	if err := inside.AddrAdd(eth0, own); err != nil {
		return made, err
	}
	through := net.ParseIP(gateway)
	link := &netlink.Route{LinkIndex: eth0.Attrs().Index, Scope: netlink.SCOPE_LINK, Dst: host(through)}
	if err := inside.RouteAdd(link); err != nil {
		return made, fmt.Errorf("route to the gateway: %w", err)
	}
	if err := inside.RouteAdd(&netlink.Route{LinkIndex: eth0.Attrs().Index, Gw: through}); err != nil {
		return made, fmt.Errorf("default route: %w", err)
	}
	return made, nil
}

// connectVeth is the node's side of a pod's network.
func connectVeth(veth, address string) error {
	handle, err := netlink.NewHandle()
	if err != nil {
		return err
	}
	defer handle.Close()
	if err := up(handle, veth); err != nil {
		return err
	}
	link, err := handle.LinkByName(veth)
	if err != nil {
		return err
	}
	route := &netlink.Route{LinkIndex: link.Attrs().Index, Scope: netlink.SCOPE_LINK, Dst: host(net.ParseIP(address))}
	return handle.RouteReplace(route)
}

func up(handle *netlink.Handle, name string) error {
	link, err := handle.LinkByName(name)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return handle.LinkSetUp(link)
}

func host(address net.IP) *net.IPNet {
	return &net.IPNet{IP: address, Mask: net.CIDRMask(32, 32)}
}

// dialIn connects to a port of a pod from within it, as `kubectl port-forward` does: also to 127.0.0.1.
func dialIn(within *namespaces, address string) (net.Conn, error) {
	if within == nil {
		return net.Dial("tcp", address)
	}
	type result struct {
		connection net.Conn
		err        error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread()
		if err := unix.Setns(int(within.files[0].Fd()), unix.CLONE_NEWNET); err != nil {
			done <- result{nil, err}
			return
		}
		connection, err := net.Dial("tcp", address)
		done <- result{connection, err}
	}()
	found := <-done
	return found.connection, found.err
}

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/klog/v2"
)

// A container that counts as running by decree also counts as well: its probes succeed, as emulated nodes have it.
// The kubelet asks the pod's address itself, so that somebody has to answer there.

// probed is one port of a container that its probes ask.
type probed struct {
	port   int
	secure bool
}

// probePorts are the ports that a container's probes ask by HTTP and TCP.
func probePorts(container core.Container) map[probed]bool {
	found := map[probed]bool{}
	add := func(port intstr.IntOrString, secure bool) {
		number := port.IntValue()
		for _, each := range container.Ports {
			if port.Type == intstr.String && each.Name == port.StrVal {
				number = int(each.ContainerPort)
			}
		}
		if number > 0 {
			found[probed{number, secure}] = true
		}
	}
	for _, probe := range []*core.Probe{container.StartupProbe, container.LivenessProbe, container.ReadinessProbe} {
		switch {
		case probe == nil:
		case probe.HTTPGet != nil:
			add(probe.HTTPGet.Port, probe.HTTPGet.Scheme == core.URISchemeHTTPS)
		case probe.TCPSocket != nil:
			add(probe.TCPSocket.Port, false)
		}
	}
	return found
}

// answerProbes opens the ports of a container without a program, until it ends.
func (c *container) answerProbes(node Node, wanted map[probed]bool) {
	address := c.sandbox.address
	if address == "" {
		address = node.IP
	}
	for each := range wanted {
		listener, err := listenIn(c.sandbox.namespaces, net.JoinHostPort(address, strconv.Itoa(each.port)))
		if err != nil { // another pod of the node's network has the port
			klog.ErrorS(err, "A probe by decree will fail", "container", c.config.Metadata.Name)
			continue
		}
		server := &http.Server{
			Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), ReadHeaderTimeout: 10 * time.Second,
		}
		if each.secure {
			listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{ownCertificate()}})
		}
		go func() { _ = server.Serve(listener) }()
		go func() {
			<-c.ended
			server.Close()
		}()
	}
}

// listenIn opens a port within a pod's network.
func listenIn(within *namespaces, address string) (net.Listener, error) {
	if within == nil {
		return net.Listen("tcp", address)
	}
	type result struct {
		listener net.Listener
		err      error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		if err := unix.Setns(int(within.files[0].Fd()), unix.CLONE_NEWNET); err != nil {
			done <- result{nil, err}
			return
		}
		listener, err := net.Listen("tcp", address)
		done <- result{listener, err}
	}()
	found := <-done
	return found.listener, found.err
}

// ownCertificate is nobody's: the kubelet verifies none.
var ownCertificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		klog.ErrorS(err, "No certificate for probes by decree")
		return tls.Certificate{}
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(30 * 24 * time.Hour)}
	made, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		klog.ErrorS(err, "No certificate for probes by decree")
	}
	return tls.Certificate{Certificate: [][]byte{made}, PrivateKey: key}
})

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"k8s.io/klog/v2"
)

// Outside is a name that leads out of the live world: a database or a cache that runs on this machine for AWS's.
type Outside struct {
	Name    string `json:"name"`
	Address string `json:"address"` // inside
	Port    int    `json:"port"`
	Target  string `json:"target"` // HOST:PORT outside
}

func (o Outside) inside() string { return net.JoinHostPort(o.Address, strconv.Itoa(o.Port)) }

// socket is where the part outside waits for the part inside; its path has to be short.
func (o Outside) socket(config *Config) string {
	sum := sha256.Sum256([]byte(o.inside() + " " + o.Target))
	return socketPath(config, "o"+hex.EncodeToString(sum[:6]))
}

// keepOpen keeps a listener for each of the file's names, one for an address that several names have. The daemon
// rewrites the file. `seen` hears of every reading.
func keepOpen(path string, open func(Outside) (net.Listener, error), seen func([]Outside)) {
	listeners := map[Outside]net.Listener{}
	for ; ; time.Sleep(300 * time.Millisecond) {
		names, err := read[[]Outside](path)
		if err != nil && !os.IsNotExist(err) {
			klog.ErrorS(err, "Names outside could not be read")
			continue
		}
		wanted := map[Outside]bool{}
		for _, each := range names {
			each.Name = ""
			wanted[each] = true
		}
		for each, listener := range listeners {
			if !wanted[each] {
				listener.Close()
				delete(listeners, each)
			}
		}
		for each := range wanted {
			if listeners[each] != nil {
				continue
			}
			listener, err := open(each)
			if err != nil {
				klog.ErrorS(err, "A way out could not be opened and is tried again", "at", each.inside())
				continue
			}
			listeners[each] = listener
		}
		seen(names)
	}
}

// keepOutside is the part in front of the namespaces: sockets that lead to the processes of this machine.
func keepOutside(config *Config) {
	keepOpen(config.OutsideFile, func(each Outside) (net.Listener, error) {
		socket := each.socket(config)
		_ = os.Remove(socket)
		listener, err := net.Listen("unix", socket)
		if err == nil {
			go serve(listener, func() (net.Conn, error) { return net.DialTimeout("tcp", each.Target, 10*time.Second) })
		}
		return listener, err
	}, func([]Outside) {})
}

// outsideNames are the names that the resolver knows, with their addresses.
type outsideNames struct {
	mutex sync.Mutex
	known map[string]string
}

func (o *outsideNames) find(name string) string {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.known[name]
}

// keep is the part inside: the names' addresses, with a port that leads to the socket.
func (o *outsideNames) keep(config *Config) {
	keepOpen(config.OutsideFile, func(each Outside) (net.Listener, error) {
		if err := addAddress(each.Address); err != nil {
			return nil, err
		}
		listener, err := net.Listen("tcp", each.inside())
		if err == nil {
			socket := each.socket(config)
			go serve(listener, func() (net.Conn, error) { return net.Dial("unix", socket) })
		}
		return listener, err
	}, func(names []Outside) {
		known := map[string]string{}
		for _, each := range names {
			known[each.Name] = each.Address
		}
		o.mutex.Lock()
		defer o.mutex.Unlock()
		o.known = known
	})
}

package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"

	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// services is the data path of Services in the live world: kube-proxy's rules over connections instead of packets.
// TCP only. A Service has an open port exactly while it has an endpoint that may be used, so that a caller is
// refused at once otherwise, as kube-proxy's REJECT does. Not here: session affinity, traffic policies, node ports.
type services struct {
	services  corelisters.ServiceLister
	slices    discoverylisters.EndpointSliceLister
	changed   chan struct{}
	mutex     sync.Mutex
	usable    map[string][]string     // "CLUSTERIP:PORT" to endpoints
	listeners map[string]net.Listener // by the same
	addresses map[string]bool         // cluster addresses that this namespace has
	dns       string
}

func startServices(client kubernetes.Interface, dns string, outside *outsideNames) error {
	factory := informers.NewSharedInformerFactory(client, 0)
	found := &services{
		services: factory.Core().V1().Services().Lister(), slices: factory.Discovery().V1().EndpointSlices().Lister(),
		changed: make(chan struct{}, 1), usable: map[string][]string{}, listeners: map[string]net.Listener{},
		addresses: map[string]bool{}, dns: dns,
	}
	wake := func(any) {
		select {
		case found.changed <- struct{}{}:
		default:
		}
	}
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc: wake, UpdateFunc: func(_, now any) { wake(now) }, DeleteFunc: wake,
	}
	for _, informer := range []cache.SharedIndexInformer{
		factory.Core().V1().Services().Informer(), factory.Discovery().V1().EndpointSlices().Informer(),
	} {
		if _, err := informer.AddEventHandler(handler); err != nil {
			return err
		}
	}
	never := make(chan struct{})
	factory.Start(never)
	factory.WaitForCacheSync(never)
	if err := addAddress(dns); err != nil {
		return err
	}
	if err := serveDNS(dns, found, outside); err != nil {
		return err
	}
	go func() {
		for {
			if err := found.reconcile(); err != nil {
				klog.ErrorS(err, "Services are compared again")
				time.Sleep(time.Second)
				wake(nil)
			}
			<-found.changed
		}
	}()
	return nil
}

// reconcile makes the open ports those that Services and EndpointSlices ask for.
func (s *services) reconcile() error {
	all, err := s.services.List(labels.Everything())
	if err != nil {
		return err
	}
	usable, addresses := map[string][]string{}, map[string]bool{}
	for _, service := range all {
		if service.Spec.ClusterIP == "" || service.Spec.ClusterIP == core.ClusterIPNone || service.Spec.ClusterIP == s.dns {
			continue
		}
		addresses[service.Spec.ClusterIP] = true
		for _, port := range service.Spec.Ports {
			if port.Protocol != core.ProtocolTCP {
				continue
			}
			endpoints, err := s.endpoints(service, port.Name)
			if err != nil {
				return err
			}
			if len(endpoints) > 0 {
				usable[net.JoinHostPort(service.Spec.ClusterIP, strconv.Itoa(int(port.Port)))] = endpoints
			}
		}
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.usable = usable
	for address, listener := range s.listeners {
		if usable[address] == nil {
			listener.Close()
			delete(s.listeners, address)
		}
	}
	for address := range addresses {
		if !s.addresses[address] {
			if err := addAddress(address); err != nil {
				return err
			}
			s.addresses[address] = true
		}
	}
	for address := range s.addresses {
		if !addresses[address] {
			removeAddress(address)
			delete(s.addresses, address)
		}
	}
	for address := range usable {
		if s.listeners[address] != nil {
			continue
		}
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		s.listeners[address] = listener
		go serve(listener, func() (net.Conn, error) { return s.dial(address) })
	}
	return nil
}

func (s *services) dial(address string) (net.Conn, error) {
	s.mutex.Lock()
	endpoints := s.usable[address]
	s.mutex.Unlock()
	if len(endpoints) == 0 {
		return nil, fmt.Errorf("%s has no endpoint", address)
	}
	return net.DialTimeout("tcp", endpoints[rand.IntN(len(endpoints))], 10*time.Second)
}

// endpoints are the addresses that may be used for one port of a Service: the ready ones; where there is none,
// those that still serve while they terminate (KEP-1669, as kube-proxy does).
func (s *services) endpoints(service *core.Service, port string) ([]string, error) {
	var ready, leaving []string
	err := s.each(service, func(slice *discovery.EndpointSlice, endpoint discovery.Endpoint) {
		for _, each := range slice.Ports {
			if each.Port == nil || (each.Name != nil && *each.Name != port) {
				continue
			}
			for _, address := range endpoint.Addresses {
				full := net.JoinHostPort(address, strconv.Itoa(int(*each.Port)))
				switch {
				case isReady(endpoint):
					ready = append(ready, full)
				case endpoint.Conditions.Serving != nil && *endpoint.Conditions.Serving &&
					endpoint.Conditions.Terminating != nil && *endpoint.Conditions.Terminating:
					leaving = append(leaving, full)
				}
			}
		}
	})
	if len(ready) > 0 {
		return ready, err
	}
	return leaving, err
}

func isReady(endpoint discovery.Endpoint) bool {
	return endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready
}

// each calls `visit` for every endpoint of a Service.
func (s *services) each(service *core.Service, visit func(*discovery.EndpointSlice, discovery.Endpoint)) error {
	selector := labels.SelectorFromSet(labels.Set{discovery.LabelServiceName: service.Name})
	slices, err := s.slices.EndpointSlices(service.Namespace).List(selector)
	if err != nil {
		return err
	}
	for _, slice := range slices {
		for _, endpoint := range slice.Endpoints {
			visit(slice, endpoint)
		}
	}
	return nil
}

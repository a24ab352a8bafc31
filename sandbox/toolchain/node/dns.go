package main

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	"k8s.io/klog/v2"
)

// clusterDomain is the zone of Services, on EKS too.
const clusterDomain = "cluster.local"

// answerSeconds is how long an answer may be kept: CoreDNS's on EKS are kept for 30 s; a test should not wait.
const answerSeconds = 2

// resolver answers for the names of Services, of AWS, and of its databases and caches, in the place of CoreDNS. Everything else does not exist:
// there is no way out of the live world.
type resolver struct {
	services *services
	outside  *outsideNames
}

func serveDNS(address string, services *services, outside *outsideNames) error {
	found := &resolver{services, outside}
	packets, err := net.ListenPacket("udp", net.JoinHostPort(address, "53"))
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(address, "53"))
	if err != nil {
		return err
	}
	go func() {
		buffer := make([]byte, 4096)
		for {
			length, from, err := packets.ReadFrom(buffer)
			if err != nil {
				return
			}
			if answer, err := found.answer(buffer[:length]); err == nil {
				_, _ = packets.WriteTo(answer, from)
			}
		}
	}()
	go func() {
		for {
			caller, err := listener.Accept()
			if err != nil {
				return
			}
			go found.stream(caller)
		}
	}()
	return nil
}

// stream answers one TCP connection: messages with their length before them (RFC 1035, 4.2.2).
func (r *resolver) stream(caller net.Conn) {
	defer caller.Close()
	for {
		_ = caller.SetDeadline(time.Now().Add(10 * time.Second))
		var length uint16
		if binary.Read(caller, binary.BigEndian, &length) != nil {
			return
		}
		message := make([]byte, length)
		if _, err := io.ReadFull(caller, message); err != nil {
			return
		}
		answer, err := r.answer(message)
		if err != nil {
			return
		}
		if _, err := caller.Write(binary.BigEndian.AppendUint16(nil, uint16(len(answer)))); err != nil {
			return
		}
		if _, err := caller.Write(answer); err != nil {
			return
		}
	}
}

func (r *resolver) answer(message []byte) ([]byte, error) {
	var parser dnsmessage.Parser
	header, err := parser.Start(message)
	if err != nil {
		return nil, err
	}
	question, err := parser.Question()
	if err != nil {
		return nil, err
	}
	addresses, exists := r.find(strings.TrimSuffix(strings.ToLower(question.Name.String()), "."))
	reply := dnsmessage.Header{
		ID: header.ID, Response: true, Authoritative: true, RecursionDesired: header.RecursionDesired, RecursionAvailable: true,
	}
	if !exists {
		reply.RCode = dnsmessage.RCodeNameError
	}
	builder := dnsmessage.NewBuilder(nil, reply)
	builder.EnableCompression()
	if err := errors.Join(builder.StartQuestions(), builder.Question(question), builder.StartAnswers()); err != nil {
		return nil, err
	}
	if question.Type == dnsmessage.TypeA {
		for _, address := range addresses {
			four := net.ParseIP(address).To4()
			if four == nil {
				continue
			}
			resource := dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET, TTL: answerSeconds}
			if err := builder.AResource(resource, dnsmessage.AResource{A: [4]byte(four)}); err != nil {
				return nil, err
			}
		}
	}
	return builder.Finish()
}

// find gives the addresses of a name, and whether there is such a name.
func (r *resolver) find(name string) ([]string, bool) {
	if address := r.outside.find(name); address != "" {
		return []string{address}, true
	}
	if strings.HasSuffix(name, ".amazonaws.com") {
		return []string{gateway}, true
	}
	// [HOST.]SERVICE.NAMESPACE.svc.cluster.local (Kubernetes DNS-Based Service Discovery, 2.3 and 2.4).
	rest, found := strings.CutSuffix(name, ".svc."+clusterDomain)
	if !found {
		return nil, false
	}
	parts := strings.Split(rest, ".")
	if len(parts) < 2 || len(parts) > 3 {
		return nil, false
	}
	namespace, service, host := parts[len(parts)-1], parts[len(parts)-2], ""
	if len(parts) == 3 {
		host = parts[0]
	}
	known, err := r.services.services.Services(namespace).Get(service)
	if err != nil {
		return nil, false
	}
	if host == "" && known.Spec.ClusterIP != core.ClusterIPNone {
		return []string{known.Spec.ClusterIP}, true
	}
	var addresses []string
	err = r.services.each(known, func(_ *discovery.EndpointSlice, endpoint discovery.Endpoint) {
		named := endpoint.Hostname != nil && *endpoint.Hostname == host
		if isReady(endpoint) && (host == "" || named) {
			addresses = append(addresses, endpoint.Addresses...)
		}
	})
	if err != nil {
		klog.ErrorS(err, "Endpoints could not be listed", "service", name)
	}
	return addresses, host == "" || len(addresses) > 0
}

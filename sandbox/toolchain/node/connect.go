package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"k8s.io/klog/v2"
)

// serveConnect is the way in: an HTTP CONNECT proxy on a Unix socket. The API server reaches kubelets by it (its
// EgressSelectorConfiguration, transport `uds`), and `bastide sandbox forward` Services and pods.
func serveConnect(socket string) error {
	_ = os.Remove(socket)
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	go func() {
		for {
			caller, err := listener.Accept()
			if err != nil {
				return
			}
			go connect(caller)
		}
	}()
	return nil
}

func connect(caller net.Conn) {
	reader := bufio.NewReader(caller)
	request, err := http.ReadRequest(reader)
	if err != nil || request.Method != http.MethodConnect {
		fmt.Fprint(caller, "HTTP/1.1 405 only CONNECT\r\n\r\n")
		caller.Close()
		return
	}
	other, err := net.DialTimeout("tcp", request.Host, 10*time.Second)
	if err != nil {
		klog.V(1).InfoS("No connection", "to", request.Host, "err", err)
		fmt.Fprintf(caller, "HTTP/1.1 502 %v\r\n\r\n", err)
		caller.Close()
		return
	}
	fmt.Fprint(caller, "HTTP/1.1 200 Connection established\r\n\r\n")
	if held := reader.Buffered(); held > 0 { // what the caller sent without waiting for the answer
		early, _ := reader.Peek(held)
		if _, err := other.Write(early); err != nil {
			other.Close()
		}
	}
	pipe(caller, other)
}

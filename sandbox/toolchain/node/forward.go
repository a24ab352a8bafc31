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

// keepForwards opens the ports of 127.0.0.1 that the file names and leads them inside. The file is rewritten by
// `bastide sandbox forward`.
func keepForwards(config *Config) {
	open := map[string]net.Listener{}
	targets := map[string]string{}
	for ; ; time.Sleep(300 * time.Millisecond) {
		wanted, err := read[map[string]string](config.Forwards)
		if err != nil && !os.IsNotExist(err) {
			klog.ErrorS(err, "Forwards could not be read")
			continue
		}
		for port, listener := range open {
			if wanted[port] != targets[port] {
				listener.Close()
				delete(open, port)
			}
		}
		for port, target := range wanted {
			if open[port] != nil {
				continue
			}
			listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
			if err != nil {
				klog.V(1).InfoS("A port could not be opened and is tried again", "err", err)
				continue
			}
			open[port], targets[port] = listener, target
			socket := socketPath(config, "connect")
			go serve(listener, func() (net.Conn, error) { return dialInside(socket, target) })
		}
	}
}

// dialInside connects with an address inside, by the CONNECT proxy there.
func dialInside(socket, target string) (net.Conn, error) {
	connection, err := net.Dial("unix", socket)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(connection, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, target)
	reader := bufio.NewReader(connection)
	answer, err := http.ReadResponse(reader, &http.Request{Method: http.MethodConnect})
	if err != nil || answer.StatusCode != http.StatusOK {
		connection.Close()
		return nil, fmt.Errorf("%s inside is not to be reached: %v %v", target, answer, err)
	}
	return &buffered{Conn: connection, reader: reader}, nil
}

// buffered is a connection of which the first bytes may have been read already.
type buffered struct {
	net.Conn
	reader *bufio.Reader
}

func (b *buffered) Read(into []byte) (int, error) { return b.reader.Read(into) }

func (b *buffered) CloseWrite() error { return b.Conn.(halfCloser).CloseWrite() }

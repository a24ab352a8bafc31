package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// containerLog writes a container's output as the kubelet reads it: a time, the stream, F for a whole line.
type containerLog struct {
	path  string
	mutex sync.Mutex
	file  *os.File
}

func openLog(path string) (*containerLog, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	log := &containerLog{path: path}
	return log, log.open()
}

func (l *containerLog) open() error {
	file, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err == nil {
		l.file = file
	}
	return err
}

func (l *containerLog) write(stream, line string) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.file != nil {
		_, _ = l.file.WriteString(time.Now().UTC().Format(time.RFC3339Nano) + " " + stream + " F " + line + "\n")
	}
}

func (l *containerLog) close() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.file != nil {
		l.file.Close()
		l.file = nil
	}
}

// stream takes one of the container's outputs, in pieces of any length.
func (l *containerLog) stream(name string) io.Writer { return &lines{log: l, name: name} }

type lines struct {
	log  *containerLog
	name string
	rest []byte
}

// longestLine is where a line without an end is cut, in bytes.
const longestLine = 16 * 1024

func (w *lines) Write(piece []byte) (int, error) {
	w.rest = append(w.rest, piece...)
	for {
		end := bytes.IndexByte(w.rest, '\n')
		if end < 0 && len(w.rest) < longestLine {
			return len(piece), nil
		}
		line, next := w.rest, []byte(nil)
		if end >= 0 {
			line, next = w.rest[:end], w.rest[end+1:]
		}
		w.log.write(w.name, string(line))
		w.rest = append([]byte(nil), next...)
	}
}

// ReopenContainerLog goes on in a new file: the kubelet has moved the old one away.
func (s *service) ReopenContainerLog(_ context.Context, id string) error {
	found, err := s.container(id)
	if err != nil {
		return err
	}
	found.log.mutex.Lock()
	defer found.log.mutex.Unlock()
	if found.log.file != nil {
		found.log.file.Close()
	}
	return found.log.open()
}

package main

import (
	"context"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// images is the kubelet's image service: no image is pulled, and any that is asked for counts as there.
type images struct{ service *service }

// repository is an image's name without tag and digest.
func repository(image string) string {
	name, _, _ := strings.Cut(image, "@")
	if colon := strings.LastIndex(name, ":"); colon > strings.LastIndex(name, "/") {
		name = name[:colon]
	}
	return name
}

// findImage says how containers of an image run here; nil: by decree. A mirror may have any path before the name.
func findImage(table []Image, image string) *Image {
	name := repository(image)
	for i, each := range table {
		if name == each.Repository || strings.HasSuffix(name, "/"+each.Repository) {
			return &table[i]
		}
	}
	return nil
}

func (i *images) ListImages(context.Context, *cri.ImageFilter) ([]*cri.Image, error) {
	i.service.mutex.Lock()
	defer i.service.mutex.Unlock()
	var found []*cri.Image
	seen := map[string]bool{}
	for _, each := range i.service.containers {
		if name := each.config.Image.Image; !seen[name] {
			seen[name] = true
			found = append(found, i.describe(name))
		}
	}
	return found, nil
}

// nobody is the user of an image that has no program here: its own is not known, and that of most is none of root's.
const nobody = 65532

// describe gives an image an id that is its name, so that the name reaches CreateContainer.
func (i *images) describe(name string) *cri.Image {
	user := int64(0)
	if findImage(i.service.config.Images, name) == nil {
		user = nobody
	}
	image := &cri.Image{Id: name, Size: 1, Uid: &cri.Int64Value{Value: user}, Spec: &cri.ImageSpec{Image: name}}
	if strings.Contains(name, "@") {
		image.RepoDigests = []string{name}
	} else {
		image.RepoTags = []string{name}
	}
	return image
}

func (i *images) ImageStatus(_ context.Context, image *cri.ImageSpec, _ bool) (*cri.ImageStatusResponse, error) {
	return &cri.ImageStatusResponse{Image: i.describe(image.Image)}, nil
}

func (i *images) PullImage(
	_ context.Context, image *cri.ImageSpec, _ *cri.AuthConfig, _ *cri.PodSandboxConfig,
) (string, error) {
	return image.Image, nil
}

func (i *images) RemoveImage(context.Context, *cri.ImageSpec) error { return nil }

func (i *images) ImageFsInfo(context.Context) (*cri.ImageFsInfoResponse, error) {
	var disk unix.Statfs_t
	if err := unix.Statfs(i.service.folder, &disk); err != nil {
		return nil, err
	}
	usage := &cri.FilesystemUsage{
		Timestamp: time.Now().UnixNano(), FsId: &cri.FilesystemIdentifier{Mountpoint: i.service.folder},
		UsedBytes: &cri.UInt64Value{Value: 1}, InodesUsed: &cri.UInt64Value{Value: 1},
	}
	found := []*cri.FilesystemUsage{usage}
	return &cri.ImageFsInfoResponse{ImageFilesystems: found, ContainerFilesystems: found}, nil
}

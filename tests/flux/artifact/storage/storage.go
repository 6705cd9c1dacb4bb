// Package storage keeps artifacts in a folder: one subfolder for each object, one file for each revision.
package storage

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	"github.com/fluxcd/pkg/artifact/config"
	"github.com/fluxcd/pkg/tar"
	"github.com/opencontainers/go-digest"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Storage is the folder, and the host that others find it at.
type Storage struct {
	BasePath                 string
	Hostname                 string
	ArtifactRetentionTTL     time.Duration
	ArtifactRetentionRecords int

	locks sync.Map // path of an artifact -> *sync.Mutex
}

// New makes the folder where it is not there.
func New(options *config.Options) (*Storage, error) {
	host := options.StorageAdvAddress
	if host == "" {
		host = options.StorageAddress
	}
	return &Storage{
		BasePath:                 options.StoragePath,
		Hostname:                 host,
		ArtifactRetentionTTL:     options.ArtifactRetentionTTL,
		ArtifactRetentionRecords: options.ArtifactRetentionRecords,
	}, os.MkdirAll(options.StoragePath, 0o755)
}

// NewArtifactFor names the place of an object's artifact; nothing is written yet.
func (s *Storage) NewArtifactFor(kind string, object metav1.Object, revision, file string) meta.Artifact {
	artifact := meta.Artifact{
		Path:     path.Join(strings.ToLower(kind), object.GetNamespace(), object.GetName(), file),
		Revision: revision,
	}
	s.SetArtifactURL(&artifact)
	return artifact
}

// SetArtifactURL says where the artifact is found from elsewhere.
func (s *Storage) SetArtifactURL(artifact *meta.Artifact) {
	if artifact.Path != "" {
		artifact.URL = s.address(artifact.Path)
	}
}

// SetHostname gives the address with this storage's host in it.
func (s *Storage) SetHostname(address string) string {
	parsed, err := url.Parse(address)
	if err != nil {
		return ""
	}
	parsed.Host = s.Hostname
	return parsed.String()
}

func (s *Storage) address(place string) string {
	return "http://" + s.Hostname + "/" + strings.TrimLeft(place, "/")
}

// LocalPath is the artifact's file; no path leads out of the folder.
func (s *Storage) LocalPath(artifact meta.Artifact) string {
	if artifact.Path == "" {
		return ""
	}
	return filepath.Join(s.BasePath, filepath.FromSlash(path.Clean("/"+artifact.Path)))
}

// MkdirAll makes the subfolder of the artifact's object.
func (s *Storage) MkdirAll(artifact meta.Artifact) error {
	return os.MkdirAll(filepath.Dir(s.LocalPath(artifact)), 0o755)
}

// Remove removes the artifact's file.
func (s *Storage) Remove(artifact meta.Artifact) error {
	return os.Remove(s.LocalPath(artifact))
}

// RemoveAll removes every artifact of the same object, and names the subfolder where there was one.
func (s *Storage) RemoveAll(artifact meta.Artifact) (string, error) {
	folder := filepath.Dir(s.LocalPath(artifact))
	if _, err := os.Stat(folder); err != nil {
		return "", nil
	}
	return folder, os.RemoveAll(folder)
}

// ArtifactExist tells whether the artifact's file is there.
func (s *Storage) ArtifactExist(artifact meta.Artifact) bool {
	info, err := os.Lstat(s.LocalPath(artifact))
	return err == nil && info.Mode().IsRegular()
}

// VerifyArtifact compares the file with the digest that was taken when it was written.
func (s *Storage) VerifyArtifact(artifact meta.Artifact) error {
	wanted, err := digest.Parse(artifact.Digest)
	if err != nil {
		return err
	}
	file, err := os.Open(s.LocalPath(artifact))
	if err != nil {
		return err
	}
	defer file.Close()
	verifier := wanted.Verifier()
	if _, err := io.Copy(verifier, file); err != nil {
		return err
	}
	if !verifier.Verified() {
		return fmt.Errorf("the file is not what %s was taken of", wanted)
	}
	return nil
}

// CopyToPath unpacks the artifact and puts a part of it at a place.
func (s *Storage) CopyToPath(artifact *meta.Artifact, part, to string) error {
	unpacked, err := os.MkdirTemp("", "artifact-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(unpacked)
	file, err := os.Open(s.LocalPath(*artifact))
	if err != nil {
		return err
	}
	defer file.Close()
	if err := tar.Untar(file, unpacked); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.Rename(filepath.Join(unpacked, filepath.Clean("/"+part)), to)
}

// Symlink points a name beside the artifact at it, and gives the address of that name.
func (s *Storage) Symlink(artifact meta.Artifact, name string) (string, error) {
	target := s.LocalPath(artifact)
	link := filepath.Join(filepath.Dir(target), name)
	made := link + ".tmp"
	os.Remove(made)
	if err := os.Symlink(target, made); err != nil {
		return "", err
	}
	return s.address(path.Join(path.Dir(artifact.Path), name)), os.Rename(made, link)
}

// Lock keeps others of this process from the artifact until the answer is called.
func (s *Storage) Lock(artifact meta.Artifact) (func(), error) {
	lock, _ := s.locks.LoadOrStore(s.LocalPath(artifact), &sync.Mutex{})
	lock.(*sync.Mutex).Lock()
	return lock.(*sync.Mutex).Unlock, nil
}

// GarbageCollect removes what the object has beside this artifact, but for the youngest few and those that are not old yet.
func (s *Storage) GarbageCollect(_ context.Context, artifact meta.Artifact, _ time.Duration) ([]string, error) {
	current := s.LocalPath(artifact)
	others, err := youngestFirst(filepath.Dir(current), current)
	if err != nil {
		return nil, err
	}
	var removed []string
	for i, other := range others {
		// the current one is the first of those that stay
		if i+1 < s.ArtifactRetentionRecords || time.Since(other.written) <= s.ArtifactRetentionTTL {
			continue
		}
		if err := os.Remove(other.path); err != nil {
			return removed, err
		}
		removed = append(removed, other.path)
	}
	return removed, nil
}

package storage

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	"github.com/fluxcd/pkg/artifact/digest"
	"github.com/fluxcd/pkg/sourceignore"
	"github.com/fluxcd/pkg/sourceignore/gitignore"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const unfinished = ".tmp"

// ArchiveFileFilter tells whether a file is left out.
type ArchiveFileFilter func(path string, info os.FileInfo) bool

// SourceIgnoreFilter leaves out what these patterns say, and what is always left out.
func SourceIgnoreFilter(patterns []gitignore.Pattern, domain []string) ArchiveFileFilter {
	matcher := sourceignore.NewDefaultMatcher(patterns, domain)
	return func(path string, info os.FileInfo) bool {
		return matcher.Match(strings.Split(path, string(filepath.Separator)), info.IsDir())
	}
}

// Archive packs a folder.
func (s *Storage) Archive(artifact *meta.Artifact, folder string, leaveOut ArchiveFileFilter) error {
	return s.write(artifact, func(to io.Writer) error {
		zipped := gzip.NewWriter(to)
		packed := tar.NewWriter(zipped)
		err := filepath.Walk(folder, func(path string, info fs.FileInfo, err error) error {
			switch {
			case err != nil:
				return err
			case !info.Mode().IsRegular() && !info.IsDir(), leaveOut != nil && leaveOut(path, info):
				return nil
			}
			return pack(packed, folder, path, info)
		})
		if err != nil {
			return err
		}
		if err := packed.Close(); err != nil {
			return err
		}
		return zipped.Close()
	})
}

// pack adds a file or folder, without who made it and when: the same content gives the same digest.
func pack(to *tar.Writer, folder, path string, info fs.FileInfo) error {
	name, err := filepath.Rel(folder, path)
	if err != nil {
		return err
	}
	header, err := tar.FileInfoHeader(info, "")
	if err != nil {
		return err
	}
	header.Name = filepath.ToSlash(name)
	header.Uid, header.Gid, header.Uname, header.Gname = 0, 0, "", ""
	header.ModTime, header.AccessTime, header.ChangeTime = time.Unix(0, 0), time.Time{}, time.Time{}
	if err := to.WriteHeader(header); err != nil || info.IsDir() {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(to, file)
	return err
}

// AtomicWriteFile writes what is read; nobody sees half of it.
func (s *Storage) AtomicWriteFile(artifact *meta.Artifact, from io.Reader, _ os.FileMode) error {
	return s.Copy(artifact, from)
}

// Copy writes what is read.
func (s *Storage) Copy(artifact *meta.Artifact, from io.Reader) error {
	return s.write(artifact, func(to io.Writer) error {
		_, err := io.Copy(to, from)
		return err
	})
}

// CopyFromPath writes what a file holds.
func (s *Storage) CopyFromPath(artifact *meta.Artifact, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return s.Copy(artifact, file)
}

// write fills the artifact's file by way of another one, and notes its digest, size and time.
func (s *Storage) write(artifact *meta.Artifact, fill func(io.Writer) error) error {
	path := s.LocalPath(*artifact)
	file, err := os.CreateTemp(filepath.Dir(path), "*"+unfinished)
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	digester := digest.Canonical.Digester()
	size, err := finish(file, fill(io.MultiWriter(file, digester.Hash())))
	if err != nil {
		return err
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return err
	}
	artifact.Digest, artifact.Size, artifact.LastUpdateTime = digester.Digest().String(), &size, metav1.Now()
	return nil
}

// finish closes a file that was filled, and gives its size.
func finish(file *os.File, filled error) (int64, error) {
	info, err := file.Stat()
	return sizeOf(info), errors.Join(filled, err, file.Chmod(0o644), file.Close())
}

func sizeOf(info fs.FileInfo) int64 {
	if info == nil {
		return 0
	}
	return info.Size()
}

type written struct {
	path    string
	written time.Time
}

// youngestFirst lists the finished files of a folder but one.
func youngestFirst(folder, but string) ([]written, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var found []written
	for _, entry := range entries {
		path := filepath.Join(folder, entry.Name())
		info, err := entry.Info()
		if err != nil || !info.Mode().IsRegular() || path == but || strings.HasSuffix(path, unfinished) {
			continue
		}
		found = append(found, written{path, info.ModTime()})
	}
	sort.Slice(found, func(i, j int) bool { return found[i].written.After(found[j].written) })
	return found, nil
}

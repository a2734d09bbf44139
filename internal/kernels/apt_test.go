package kernels

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/netrig/netrig/internal/deadline"
)

// A machine whose apt gets its packages from a directory: nothing is asked of
// the network, and everything of apt.
func fakeMachine(t *testing.T, origin string) (repository string) {
	if _, err := exec.LookPath("apt-get"); err != nil {
		t.Skip("apt-get is not here: the test needs a Debian or Ubuntu")
	}
	if runtime.GOARCH != "amd64" {
		t.Skip("the packages of the test are for amd64")
	}
	dir := t.TempDir()
	repository = filepath.Join(dir, "repository")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "lists/partial"), 0o755))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "cache/archives/partial"), 0o755))
	write := func(name, text string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
	}
	write(filepath.Join(dir, "status"), "")
	write(filepath.Join(dir, "sources.list"), "deb [trusted=yes] file://"+repository+" stable main\n")
	hook := filepath.Join(dir, "hook-ran")
	write(filepath.Join(dir, "apt.conf"), fmt.Sprintf(`
Dir::Etc::SourceList "%[1]s/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Parts "/dev/null";
Dir::State::Lists "%[1]s/lists";
Dir::State::Status "%[1]s/status";
Dir::Cache "%[1]s/cache";
APT::Architecture "amd64";
APT::Sandbox::User "root";
APT::Update::Post-Invoke { "touch %[2]s"; };
Acquire::AllowInsecureRepositories "true";
APT::Get::AllowUnauthenticated "true";
`, dir, hook))
	t.Setenv("APT_CONFIG", filepath.Join(dir, "apt.conf"))
	some := fakeDeb(t, "some.deb", ".xz", control("something", "1"), content{"file": nil})
	publish(t, repository, origin, "stable", some) // apt forgets an empty list
	out, err := exec.Command("apt-get", "update").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.FileExists(t, hook)
	require.NoError(t, os.Remove(hook))
	t.Cleanup(func() { assert.NoFileExists(t, hook, "the machine's own hooks were run") })
	return repository
}

// publish makes a suite of the packages in a repository.
func publish(t *testing.T, repository, origin, suite string, debs ...string) {
	t.Helper()
	var packages bytes.Buffer
	pool := filepath.Join(repository, "pool")
	require.NoError(t, os.MkdirAll(pool, 0o755))
	for _, deb := range debs {
		b, err := os.ReadFile(deb)
		require.NoError(t, err)
		name := fmt.Sprintf("%x.deb", sha256.Sum256(b))
		require.NoError(t, os.WriteFile(filepath.Join(pool, name), b, 0o644))
		require.NoError(t, readDeb(deb, func(c stanza) error {
			for key, value := range c {
				if key != "Description" {
					fmt.Fprintf(&packages, "%s: %s\n", key, value)
				}
			}
			return nil
		}, func(*tar.Header, io.Reader) error { return nil }))
		fmt.Fprintf(&packages, "Architecture: amd64\nMaintainer: nobody\nFilename: pool/%s\nSize: %d\nSHA256: %x\n\n", name, len(b), sha256.Sum256(b))
	}
	list := filepath.Join(repository, "dists", suite, "main/binary-amd64/Packages")
	require.NoError(t, os.MkdirAll(filepath.Dir(list), 0o755))
	require.NoError(t, os.WriteFile(list, packages.Bytes(), 0o644))
	release := fmt.Sprintf("Origin: %s\nLabel: %s\nSuite: %s\nCodename: %s\nDate: Thu, 01 Jan 2026 00:00:00 UTC\nArchitectures: amd64\nComponents: main\nSHA256:\n %x %d main/binary-amd64/Packages\n",
		origin, origin, suite, suite, sha256.Sum256(packages.Bytes()), packages.Len())
	require.NoError(t, os.WriteFile(filepath.Join(repository, "dists", suite, "Release"), []byte(release), 0o644))
}

func TestFetch(t *testing.T) {
	repository := fakeMachine(t, "Debian")
	image := func(release, version, depends string) string {
		text := control("linux-image-"+release, version)
		if depends != "" {
			text += "Depends: kmod, " + depends + "\n"
		}
		return fakeDeb(t, "x.deb", ".xz", text, fakeFiles(release, "", plain))
	}
	old, newer := "6.18.5+deb13-cloud-amd64", "6.18.15+deb13-cloud-amd64"
	full := "6.18.15+deb13-amd64"
	debs := []string{image(newer, "6.18.15-1~bpo13+1", "linux-base-"+newer+" (= 6.18.15-1~bpo13+1)"), image(old, "6.18.5-1~bpo13+1", ""), image(full, "6.18.15-1~bpo13+1", "")}
	publish(t, repository, "Debian", "trixie-backports", debs...)
	c := openTestCache(t)
	ctx := context.Background()

	k, err := c.Find(ctx, "debian/trixie-backports")
	require.NoError(t, err)
	assert.Equal(t, newer, k.Release)
	assert.Equal(t, []string{"linux-image-" + newer + "=6.18.15-1~bpo13+1"}, k.Sources)
	for name, want := range map[string]string{"=6.18.5": old, "=6.18": newer, ":full": full, "=6.18.5-1~bpo13+1": old} {
		k, err := c.Find(ctx, "debian/trixie-backports"+name)
		require.NoError(t, err)
		assert.Equal(t, want, k.Release, name)
	}
	_, err = c.Find(ctx, "debian/trixie-backports=6.19")
	assert.ErrorContains(t, err, "suite trixie-backports has no version 6.19: it has 6.18.5-1~bpo13+1, 6.18.15-1~bpo13+1")

	// What a killed process had downloaded is taken away, and nothing is left of a
	// download that went well.
	left := filepath.Join(c.Dir(), "apt/trixie-backports", download+"left")
	require.NoError(t, os.MkdirAll(left, 0o755))
	_, err = c.Available(ctx, "debian/trixie-backports")
	require.NoError(t, err)
	downloads, err := filepath.Glob(filepath.Join(filepath.Dir(left), download+"*"))
	require.NoError(t, err)
	assert.Empty(t, downloads)

	// A newer one comes by Fetch; Find is content, and needs no archive.
	newest := "6.18.16+deb13-cloud-amd64"
	publish(t, repository, "Debian", "trixie-backports", append(debs, image(newest, "6.18.16-1~bpo13+1", ""))...)
	k, err = c.Find(ctx, "debian/trixie-backports")
	require.NoError(t, err)
	assert.Equal(t, newer, k.Release)
	k, err = c.Fetch(ctx, "debian/trixie-backports")
	require.NoError(t, err)
	assert.Equal(t, newest, k.Release)
	all, err := c.Available(ctx, "debian/trixie-backports")
	require.NoError(t, err)
	assert.Equal(t, []bool{true, true, true}, []bool{all[0].Cached, all[1].Cached, all[2].Cached})
	assert.Equal(t, []string{"debian/trixie-backports"}, c.Names()[k.ID])
	require.NoError(t, os.RemoveAll(repository))
	_, err = c.Find(ctx, "debian/trixie-backports")
	require.NoError(t, err)
	_, err = c.Find(ctx, "debian/sid")
	assert.Error(t, err)
}

// Whoever is interrupted while a kernel is fetched, or unpacked, leaves nothing of
// it in the cache, and it is fetched as a whole the next time.
func TestFetchInterrupted(t *testing.T) {
	repository := fakeMachine(t, "Debian")
	publish(t, repository, "Debian", "trixie", fakeDeb(t, "x.deb", ".xz", control("linux-image-"+fakeRelease, "6.1.9-1"), fakeFiles(fakeRelease, "", plain)))
	c := openTestCache(t)
	left := func() (all []string) {
		for _, pattern := range []string{"apt/*/" + download + "*", "kernels-*/*", "names-*/*", "names-*/.*"} {
			found, err := filepath.Glob(filepath.Join(c.Dir(), pattern))
			require.NoError(t, err)
			all = append(all, found...)
		}
		return all
	}

	// An apt-get that stands still in the midst of a download.
	apt, err := exec.LookPath("apt-get")
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "apt-get"), []byte(`#!/bin/sh
case " $* " in
*" download "*) ;;
*) exec `+apt+` "$@" ;;
esac
echo half > x_amd64.deb
touch `+dir+`/begun
exec sleep 1000
`), 0o755))
	path := os.Getenv("PATH")
	t.Setenv("PATH", dir+":"+path)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	failed := make(chan error)
	go func() {
		_, err := c.Find(ctx, "debian/trixie")
		failed <- err
	}()
	require.NoError(t, deadline.Poll(30*time.Second, "the download did not begin", func() (bool, error) {
		_, err := os.Stat(filepath.Join(dir, "begun"))
		return err == nil, nil
	}))
	cancel()
	require.Error(t, <-failed)
	assert.Empty(t, left())

	// In the midst of unpacking.
	t.Setenv("PATH", path)
	ctx, cancel = context.WithCancel(context.Background())
	c.Say = func(format string, _ ...any) {
		if strings.HasPrefix(format, "unpacking") {
			cancel()
		}
	}
	_, err = c.Find(ctx, "debian/trixie")
	require.ErrorIs(t, err, context.Canceled)
	assert.Empty(t, left())

	k, err := c.Find(context.Background(), "debian/trixie")
	require.NoError(t, err)
	assert.Equal(t, fakeRelease, k.Release)
	assert.Len(t, left(), 2, "the kernel and its name")
}

func TestFetchNotDebian(t *testing.T) {
	fakeMachine(t, "Ubuntu")
	_, err := openTestCache(t).Find(context.Background(), "debian/bookworm")
	assert.ErrorContains(t, err, "apt on this machine gets nothing from Debian (but from Ubuntu)")
}

// What the machine's sources say of keys, in both forms.
func TestSignedBy(t *testing.T) {
	dir := t.TempDir()
	sources, list := filepath.Join(dir, "a.sources"), filepath.Join(dir, "a.list")
	require.NoError(t, os.WriteFile(sources, []byte("Types: deb\nURIs: x\nSigned-By: /keys/one.gpg\n\nTypes: deb\nURIs: y\nSigned-By: /keys/two.gpg\n"), 0o644))
	require.NoError(t, os.WriteFile(list, []byte("# comment\ndeb [arch=amd64 signed-by=/keys/three.gpg] x y main\ndeb z y main\n"), 0o644))
	assert.Equal(t, "/keys/one.gpg", signedBy(sources+":1"))
	assert.Equal(t, "/keys/two.gpg", signedBy(sources+":2"))
	assert.Equal(t, "/keys/three.gpg", signedBy(list+":2"))
	assert.Empty(t, signedBy(filepath.Join(dir, "none")+":1"))
	assert.Empty(t, signedBy("nonsense"))
}

func TestKernelsAmong(t *testing.T) {
	var all []stanza
	for _, p := range []string{
		"linux-image-6.1.0-50-cloud-amd64", "linux-image-6.1.0-50-amd64", "linux-image-6.1.0-50-rt-amd64", "linux-image-6.1.0-50-amd64-unsigned",
		"linux-image-6.1.0-50-cloud-amd64-dbg", "linux-image-cloud-amd64", "linux-image-6.1.0-50-cloud-arm64",
	} {
		all = append(all, stanza{"Package": p, "Version": "6.1.176-1"})
	}
	names := func(flavour, arch string) string {
		var list []string
		for _, k := range kernelsAmong(all, &suite{flavour: flavour, arch: arch}) {
			list = append(list, k.Release)
		}
		return strings.Join(list, " ")
	}
	assert.Equal(t, "6.1.0-50-cloud-amd64", names("cloud", "amd64"))
	assert.Equal(t, "6.1.0-50-amd64", names("full", "amd64"))
	assert.Equal(t, "6.1.0-50-cloud-arm64", names("cloud", "arm64"))
}

package kernels

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// most is how much of an archive is read: a few bytes may stand for gigabytes.
const most = 1 << 20

// FuzzModinfo reads modules: ELF files as packages and the machine have them.
func FuzzModinfo(f *testing.F) {
	f.Add(fakeModule(fakeRelease, "name=bridge", "depends=stp,llc", "alias=rtnl-link-bridge", "softdep=pre: a-b post: c"))
	f.Add(fakeModule(fakeRelease))
	f.Add([]byte("\x7fELF"))
	f.Fuzz(func(t *testing.T, module []byte) {
		info, err := readModinfo(module)
		if err != nil {
			return
		}
		for _, name := range append(info.depends, info.softPre...) {
			if name == "" || strings.ContainsAny(name, "\x00") {
				t.Fatalf("depends on %q", name)
			}
		}
	})
}

// FuzzDeb reads Debian packages. Whatever is in one, its files have names that
// stay below where they are unpacked.
func FuzzDeb(f *testing.F) {
	for _, how := range []string{"", ".gz", ".xz", ".zst"} {
		b, err := os.ReadFile(fakeDeb(f, "x.deb", how, control("linux-image-x", "1"), content{"lib/modules/x/kernel/a.ko": []byte("a"), "../b": nil}))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(arMagic))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, deb []byte) {
		file := filepath.Join(dir, "fuzz.deb")
		if err := os.WriteFile(file, deb, 0o600); err != nil {
			t.Fatal(err)
		}
		err := readDeb(file, func(stanza) error { return nil }, func(h *tar.Header, r io.Reader) error {
			if h.Name != "" && !filepath.IsLocal(h.Name) {
				t.Fatalf("the package has a file %q, outside of where it is unpacked", h.Name)
			}
			_, _ = place(h.Name)
			_, err := io.CopyN(io.Discard, r, most)
			if err == io.EOF {
				err = nil
			}
			return err
		})
		if err != nil && !strings.Contains(err.Error(), file) {
			t.Fatalf("the error does not name the file: %v", err)
		}
	})
}

// FuzzText reads the texts about kernels: names, control files, tables of
// modules, versions, images.
func FuzzText(f *testing.F) {
	for _, text := range []string{
		"debian/bookworm", "debian/trixie:full=6.12", "a.deb,b.deb", "/boot/vmlinuz-6.1", "6.1.0-9", "debian/", "=", "Package: a\nDepends: b (= 1),\n c\n\nPackage: d\n",
		"module a b,c\nalias x[ a\nbuiltin d\n", "alias [-] a\n", string(fakeImage("6.1.0")), "1:2.3-4~bpo13+1", "pre: a post: b", "net-pf-10", "[-", "\n \n", " x",
	} {
		f.Add(text, "6.1")
	}
	f.Fuzz(func(t *testing.T, text, other string) {
		if n, err := parseName(text); err == nil && n.suite == nil && n.debs == nil && n.image == "" && n.cached == "" {
			t.Fatalf("the kernel %q is none of the forms", text)
		}
		for _, s := range parseStanzas(text) {
			if len(s) == 0 {
				t.Fatal("an empty stanza")
			}
		}
		_ = kernelsAmong(parseStanzas(text), &suite{name: "x", flavour: "cloud", version: other})
		if table, err := ParseTable([]byte(text)); err == nil {
			_, _ = table.Lookup(other)
			again, err := ParseTable(table.Text())
			if err != nil || !bytes.Equal(again.Text(), table.Text()) {
				t.Fatalf("the table %q is read back as %q, %v", table.Text(), again.Text(), err)
			}
		}
		if a, b := compareVersions(text, other), compareVersions(other, text); a != -b {
			t.Fatalf("%q and %q compare as %d and %d", text, other, a, b)
		}
		_ = startsWith(text, other)
		_, _, _ = inspectBytes([]byte(text))
		_ = softPre(text)
		_, _ = place(text)
		_ = underscores(text)
	})
}

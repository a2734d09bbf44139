package kernels

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"github.com/ulikunitz/xz"
)

// fakeImage is what a bzImage has of use to inspect.
func fakeImage(release string) []byte {
	b := make([]byte, 0x800)
	copy(b[0x202:], "HdrS")
	binary.LittleEndian.PutUint16(b[0x20e:], 0x400)
	copy(b[0x600:], release+" (somebody@somewhere) #1 SMP\x00")
	return b
}

// fakeModule is an ELF file with nothing but a section .modinfo.
func fakeModule(release string, entries ...string) []byte {
	info := strings.Join(append(entries, "vermagic="+release+" SMP mod_unload"), "\x00") + "\x00"
	names := "\x00.modinfo\x00.shstrtab\x00"
	var b bytes.Buffer
	h := elf.Header64{
		Type: uint16(elf.ET_REL), Machine: uint16(elf.EM_X86_64), Version: 1, Ehsize: 64, Shentsize: 64, Shnum: 3, Shstrndx: 2,
		Shoff: uint64(64 + len(info) + len(names)),
	}
	copy(h.Ident[:], elf.ELFMAG+"\x02\x01\x01")
	_ = binary.Write(&b, binary.LittleEndian, h)
	b.WriteString(info + names)
	_ = binary.Write(&b, binary.LittleEndian, []elf.Section64{
		{},
		{Name: 1, Type: uint32(elf.SHT_PROGBITS), Off: 64, Size: uint64(len(info)), Addralign: 1},
		{Name: 10, Type: uint32(elf.SHT_STRTAB), Off: uint64(64 + len(info)), Size: uint64(len(names)), Addralign: 1},
	})
	return b.Bytes()
}

// compressed packs bytes in one of the ways of Debian.
func compressed(t testing.TB, how string, b []byte) []byte {
	var out bytes.Buffer
	var err error
	switch how {
	case "":
		return b
	case ".gz":
		w := gzip.NewWriter(&out)
		_, err = w.Write(b)
		require.NoError(t, w.Close())
	case ".zst":
		w, errNew := zstd.NewWriter(&out)
		require.NoError(t, errNew)
		_, err = w.Write(b)
		require.NoError(t, w.Close())
	case ".xz":
		w, errNew := xz.NewWriter(&out)
		require.NoError(t, errNew)
		_, err = w.Write(b)
		require.NoError(t, w.Close())
	}
	require.NoError(t, err)
	return out.Bytes()
}

type content map[string][]byte

func tarOf(t testing.TB, files content) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, data := range files {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: "./" + name, Mode: 0o644, Size: int64(len(data)), Typeflag: tar.TypeReg}))
		_, err := w.Write(data)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

// fakeDeb writes a package, its data packed as how says.
func fakeDeb(t testing.TB, name, how, control string, files content) string {
	t.Helper()
	var b bytes.Buffer
	b.WriteString(arMagic)
	for _, member := range []struct {
		name string
		data []byte
	}{
		{"debian-binary", []byte("2.0\n")},
		{"control.tar.xz", compressed(t, ".xz", tarOf(t, content{"control": []byte(control)}))},
		{"data.tar" + how, compressed(t, how, tarOf(t, files))},
	} {
		fmt.Fprintf(&b, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", member.name, 0, 0, 0, "100644", len(member.data))
		b.Write(member.data)
		if len(member.data)%2 == 1 {
			b.WriteByte('\n')
		}
	}
	file := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(file, b.Bytes(), 0o644))
	return file
}

const fakeRelease = "6.1.0-7-cloud-amd64"

func control(name, version string) string {
	return fmt.Sprintf("Package: %s\nVersion: %s\nDescription: a kernel\n with two lines\n", name, version)
}

// fakeFiles are those of a small kernel: bridge needs stp, which needs llc.
func fakeFiles(release, suffix string, pack func([]byte) []byte) content {
	tree := "lib/modules/" + release + "/kernel/"
	return content{
		"boot/vmlinuz-" + release:                     fakeImage(release),
		"boot/config-" + release:                      []byte("CONFIG_NET=y\n"),
		"boot/System.map-" + release:                  []byte("nothing of use\n"),
		tree + "net/bridge/bridge.ko" + suffix:        pack(fakeModule(release, "name=bridge", "depends=stp", "alias=rtnl-link-bridge")),
		tree + "net/802/stp.ko" + suffix:              pack(fakeModule(release, "name=stp", "depends=llc,ipv6")),
		tree + "net/llc/llc.ko" + suffix:              pack(fakeModule(release, "name=llc", "alias=net-pf-26", "softdep=pre: libcrc32c post: other")),
		tree + "misc/libcrc32c.ko" + suffix:           pack(fakeModule(release, "name=libcrc32c", "alias=pci:v00008086d*")),
		tree + "fs/xfs/xfs.ko" + suffix:               pack(fakeModule(release, "name=xfs", "depends=libcrc32c")),
		tree + "drivers/virtio/virtio_pci.ko":         fakeModule(release, "name=virtio_pci", "alias=pci:v00001AF4d*", "alias=virtio:d00000003v*"),
		"lib/modules/" + release + "/modules.builtin": []byte("kernel/net/ipv6/ipv6.ko\nkernel/net/packet/af-packet.ko\n"),
	}
}

func plain(b []byte) []byte { return b }

func openTestCache(t testing.TB) *Cache {
	c, err := OpenCache(t.TempDir())
	require.NoError(t, err)
	return c
}

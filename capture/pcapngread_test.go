package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What was written is read again, field by field.
func TestPcapngReadAgain(t *testing.T) {
	var file bytes.Buffer
	w := sampleWindow(t)
	require.NoError(t, w.WritePcapng(&file, Comment("TestSomething")))
	read, comments, err := ReadPcapng(&file)
	require.NoError(t, err)
	assert.Equal(t, []string{"TestSomething"}, comments)
	require.Equal(t, w.Len(), read.Len())
	for i, p := range read.Packets() {
		want := *w.Packets()[i]
		want.Index, want.position = p.Index, p.position // numbers of the recording
		assert.True(t, p.Time.Equal(want.Time), "%v, want %v", p.Time, want.Time)
		want.Time = p.Time
		assert.Equal(t, &want, p)
	}
	assert.Equal(t, w.String(), read.String())
}

// Of a file that ends anywhere the packets before are there, and of one that is
// damaged anywhere nothing ends the reader but an error.
func TestPcapngReadDamaged(t *testing.T) {
	var file bytes.Buffer
	w := sampleWindow(t)
	require.NoError(t, w.WritePcapng(&file))
	whole := file.Bytes()
	failed, most := 0, 0
	for end := range len(whole) {
		read, _, err := ReadPcapng(bytes.NewReader(whole[:end]))
		if err != nil {
			failed++
		}
		require.GreaterOrEqual(t, read.Len(), most, "%d bytes", end)
		most = read.Len()
	}
	assert.Equal(t, w.Len()-1, most)
	assert.Greater(t, failed, len(whole)*9/10, "all ends but those between blocks")
	for i := range whole {
		for _, value := range []byte{0, 0xff, whole[i] ^ 0x80} {
			damaged := bytes.Clone(whole)
			damaged[i] = value
			read, _, _ := ReadPcapng(bytes.NewReader(damaged))
			for _, p := range read.Packets() {
				_, _ = p.Layers(), p.Summary(Names{})
			}
		}
	}
	for text, want := range map[string]string{
		"":                        "it is empty",
		"no packets":              "ends within a block",
		strings.Repeat("none", 9): "does not begin as such a file",
	} {
		_, _, err := ReadPcapng(strings.NewReader(text))
		require.ErrorContains(t, err, want)
	}
}

// Files of others: bytes in the other order, microseconds, no name.
func TestPcapngReadBigEndian(t *testing.T) {
	frame := samples(t)["arp request"]
	var file []byte
	block := func(kind uint32, body []byte) {
		size := uint32(len(body) + 12)
		file = binary.BigEndian.AppendUint32(file, kind)
		file = append(binary.BigEndian.AppendUint32(file, size), body...)
		file = binary.BigEndian.AppendUint32(file, size)
	}
	block(blockSection, append(binary.BigEndian.AppendUint32(nil, byteOrderMagic), 0, 1, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255))
	block(blockInterface, []byte{0, linkEthernet, 0, 0, 0, 0, 0, 0})
	block(12345, []byte("is not known"))
	body := binary.BigEndian.AppendUint64(make([]byte, 4), uint64(epoch.UnixMicro()))
	body = binary.BigEndian.AppendUint32(body, uint32(len(frame)))
	body = append(binary.BigEndian.AppendUint32(body, uint32(len(frame))), frame...)
	block(blockPacket, pad(body, len(frame)))
	read, _, err := ReadPcapng(bytes.NewReader(file))
	require.NoError(t, err)
	require.Equal(t, 1, read.Len())
	p := read.Packets()[0]
	assert.Equal(t, epoch.UnixMicro(), p.Time.UnixMicro())
	assert.Equal(t, ARPRequest, p.Kind)
	assert.Equal(t, ":", p.Where())
}

func TestLayers(t *testing.T) {
	all := samples(t)
	text := func(name string) (text string) {
		for _, l := range sighting("ns0", "veth0", Out, 1, all[name]).Layers() {
			text += l.Name + ":"
			for _, f := range l.Fields {
				text += fmt.Sprintf(" %s=%s", f.Name, f.Value)
			}
			text += "\n"
		}
		return text
	}
	assert.Regexp(t, `^Ethernet: SrcMAC=\S+ DstMAC=\S+ EthernetType=ARP\nARP: .* Operation=1 SourceHwAddress=(\w\w:){5}\w\w SourceProtAddress=[\d.]+ DstHw`, text("arp request"))
	assert.Regexp(t, `IPv4: .*TTL=64 Protocol=ICMPv4 Checksum=0x[0-9a-f]{4} SrcIP=[\d.]+ DstIP=[\d.]+\nICMPv4: TypeCode=EchoRequest .*\nPayload: Bytes=\d+ Text=`, text("echo request"))
	assert.Regexp(t, `TCP: .*Flags set=.*(SYN|ACK)`, text("tcp over ipv6"))

	cut := sighting("ns0", "veth0", Out, 3, all["tcp over ipv6"][:60])
	cut.Length = 65000
	layers := cut.Layers()
	assert.Equal(t, Layer{"Cut", []Field{{"Bytes", "65000, of which 60 were kept"}}}, layers[len(layers)-1])
}

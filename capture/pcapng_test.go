package capture

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sampleWindow has Ethernet frames, one of them cut, and a packet of an
// interface without Ethernet.
func sampleWindow(t testing.TB) Window {
	all := samples(t)
	cut := sighting("ns0", "veth0", Out, 3, all["tcp over ipv6"][:70])
	cut.Length = 65000
	cut.decode()
	tunnel := &Packet{Node: "router", Interface: "tun0", Direction: In, Time: epoch.Add(1234567), Data: all["echo request"][14:],
		Length: len(all["echo request"]) - 14, EtherType: 0x800, raw: true}
	tunnel.decode()
	return NewWindow(
		sighting("ns0", "veth0", Out, 1, all["arp request"]),
		sighting("router", "veth1", In, 2, all["arp request"]),
		cut, tunnel)
}

func TestPcapngReadByGopacket(t *testing.T) {
	var file bytes.Buffer
	w := sampleWindow(t)
	require.NoError(t, w.WritePcapng(&file, Comment("TestSomething")))
	r, err := pcapgo.NewNgReader(&file, pcapgo.NgReaderOptions{WantMixedLinkType: true})
	require.NoError(t, err)
	assert.Equal(t, "netrig", r.SectionInfo().Application)
	assert.Equal(t, "TestSomething", r.SectionInfo().Comment)
	for i, p := range w.Packets() {
		data, info, err := r.ReadPacketData()
		require.NoError(t, err)
		assert.Equal(t, p.Data, data)
		assert.Equal(t, p.Length, info.Length)
		assert.True(t, p.Time.Equal(info.Timestamp), "%v, want %v", info.Timestamp, p.Time)
		iface, err := r.Interface(info.InterfaceIndex)
		require.NoError(t, err)
		assert.Equal(t, p.Where(), iface.Name)
		want := layers.LinkTypeEthernet
		if i == 3 {
			want = layers.LinkTypeRaw
		}
		assert.Equal(t, want, iface.LinkType)
	}
}

func TestPcapngReadByTshark(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("tshark is not installed")
	}
	name := filepath.Join(t.TempDir(), "lab.pcapng")
	file, err := os.Create(name)
	require.NoError(t, err)
	w := sampleWindow(t)
	require.NoError(t, w.WritePcapng(file, Comment("TestSomething"), Comment(strings.Repeat("long ", 20_000)),
		CommentPackets(func(p *Packet) string {
			if p.ARP != nil {
				return "seen at " + p.Where()
			}
			return ""
		})))
	require.NoError(t, file.Close())

	var out, complaints bytes.Buffer
	cmd := exec.Command(tshark, "-n", "-r", name, "-T", "json", "-e", "frame.interface_name", "-e", "frame.time_epoch", "-e", "frame.len",
		"-e", "frame.cap_len", "-e", "frame.packet_flags_direction", "-e", "frame.protocols", "-e", "frame.comment")
	cmd.Stdout, cmd.Stderr = &out, &complaints
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	require.NoError(t, cmd.Run(), "%s", complaints.String())
	for _, line := range strings.Split(complaints.String(), "\n") {
		assert.True(t, line == "" || strings.HasPrefix(line, "Running as user"), "tshark complains: %s", line)
	}
	var frames []struct {
		Source struct {
			Layers map[string][]string `json:"layers"`
		} `json:"_source"`
	}
	require.NoError(t, json.Unmarshal(out.Bytes(), &frames), "%s", out.String())
	require.Len(t, frames, w.Len())
	for i, p := range w.Packets() {
		got := frames[i].Source.Layers
		assert.Equal(t, []string{p.Where()}, got["frame.interface_name"])
		assert.Equal(t, []string{strconv.Itoa(p.Length)}, got["frame.len"])
		assert.Equal(t, []string{strconv.Itoa(len(p.Data))}, got["frame.cap_len"])
		direction := "0x00000001"
		if p.Direction == Out {
			direction = "0x00000002"
		}
		assert.Equal(t, []string{direction}, got["frame.packet_flags_direction"])
		if p.ARP != nil {
			assert.Equal(t, []string{"seen at " + p.Where()}, got["frame.comment"])
		}
	}
	assert.Equal(t, []string{"eth:ethertype:arp"}, frames[0].Source.Layers["frame.protocols"])
	assert.Equal(t, []string{"raw:ip:icmp:data"}, frames[3].Source.Layers["frame.protocols"])
	assert.Contains(t, frames[3].Source.Layers["frame.time_epoch"][0], "1234567")
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

var errFull = errors.New("disk full")

func TestPcapngFails(t *testing.T) {
	require.ErrorIs(t, sampleWindow(t).WritePcapng(fullDisk{}), errFull)
}

// A recording's file has its packets, and tells of its gaps.
func TestRecordingPcapng(t *testing.T) {
	a, b := pair(t)
	r := recording(t, a, b)
	b.listenUDP("10.0.0.2:9")
	send(t, a.udp("10.0.0.2:9"), "in the file")
	settle(t, r)
	r.taps[0].drops.n = 3
	var file bytes.Buffer
	require.NoError(t, r.WritePcapng(&file))
	r.taps[0].drops.n = 0
	assert.Equal(t, 2, bytes.Count(file.Bytes(), []byte("in the file")))
	assert.Contains(t, file.String(), "the recording of a lacks 3 packets")
}

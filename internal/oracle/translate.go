package oracle

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// or stands between the names of interfaces of which any may be meant.
const or = "|"

const noMAC = "00:00:00:00:00:00"

// names are the interfaces of a network, as "node:interface", by what means
// something in this network only.
type names struct {
	macs      map[string][]string // by MAC
	linkLocal map[string][]string // by link-local address
	bridges   map[string]bool
	byIndex   map[string]string // by "node index"
}

// translate makes two states comparable: from what the programs said of a
// network, all that is different whenever such a network is built goes, by
// allowed.go, or is replaced by a name.
func translate(all map[string]raw) State {
	known := namesOf(all)
	state := State{}
	for node, r := range all {
		state[node] = r.objects(node, known)
		for name, o := range state[node] {
			if isIgnored(node, name, o) {
				delete(state[node], name)
			}
			for field, value := range o {
				o[field] = meaning(kind(name), field, value)
				if isUnread(kind(name), field) {
					delete(o, field)
				}
			}
		}
	}
	return state
}

func namesOf(all map[string]raw) names {
	known := names{map[string][]string{}, map[string][]string{}, map[string]bool{}, map[string]string{}}
	for node, r := range all {
		for _, l := range r.links {
			o := flatten(l)
			name := node + ":" + o["ifname"]
			known.byIndex[node+" "+o["ifindex"]] = name
			known.bridges[name] = o["linkinfo.info_kind"] == "bridge"
			// A bridge without a port has none, or that of its last one.
			if o["link_type"] == "ether" && o["address"] != noMAC {
				known.macs[o["address"]] = append(known.macs[o["address"]], name)
			}
			for _, a := range addresses(l) {
				if local := flatten(a)["local"]; strings.HasPrefix(local, "fe80:") {
					known.linkLocal[local] = append(known.linkLocal[local], name)
				}
			}
		}
	}
	for _, by := range []map[string][]string{known.macs, known.linkLocal} {
		for _, owners := range by {
			slices.Sort(owners)
		}
	}
	return known
}

func addresses(link map[string]any) (all []map[string]any) {
	list, _ := link["addr_info"].([]any)
	for _, a := range list {
		if a, ok := a.(map[string]any); ok && len(a) > 0 {
			all = append(all, a)
		}
	}
	return all
}

// objects are the objects of one node.
func (r raw) objects(node string, known names) Node {
	n := Node{}
	for _, l := range r.links {
		o := flatten(l)
		name := o["ifname"]
		for i, a := range addresses(l) {
			address := flatten(a)
			if address["family"] == "inet" {
				// The first is the source of what goes out. Those of IPv6 are chosen by rules.
				address["place"] = fmt.Sprint(i)
			}
			n.put(fmt.Sprintf("address %s/%s dev %s", known.one(address["local"], node, name), address["prefixlen"], name),
				known.all(address, "local", "prefixlen"))
		}
		if o["link_index"] != "" {
			peer := node
			if id := o["link_netnsid"]; id != "" {
				peer = r.peers[id]
			}
			o["peer"] = known.byIndex[peer+" "+o["link_index"]]
		} else if o["link"] != "" {
			o["peer"] = node + ":" + o["link"]
		}
		n.put("link "+name, known.all(o, "ifname"))
	}
	for _, route := range r.routes {
		o := flatten(route)
		dst := known.one(o["dst"], node, o["dev"])
		n.put(named("route "+o["type"]+" "+dst, o, "dev", "table", "metric"), known.all(o, "type", "dst", "dev", "table", "metric"))
	}
	for family, rules := range map[string][]map[string]any{"IPv4": r.rules, "IPv6": r.rules6} {
		for _, rule := range rules {
			o := flatten(rule)
			n.put("rule "+family+" "+o["priority"], known.all(o, "priority"))
		}
	}
	for _, neighbour := range r.neighbours {
		o := flatten(neighbour)
		n.put("neighbour "+known.one(o["dst"], node, o["dev"])+" dev "+o["dev"], known.all(o, "dst", "dev"))
	}
	for _, port := range r.ports {
		o := flatten(port)
		n.put("port "+o["ifname"], known.all(o, "ifname"))
	}
	for _, entry := range r.fdb {
		o := flatten(entry)
		n.put(named("fdb "+known.one(o["mac"], node, o["ifname"])+" dev "+o["ifname"], o, "vlan", "dst"), known.all(o, "mac", "ifname", "vlan", "dst"))
	}
	for _, device := range r.vlans {
		o := flatten(device)
		n.put("vlans "+o["ifname"], known.all(o, "ifname"))
	}
	for name, value := range r.sysctls {
		n.put("sysctl "+name, Object{"value": value})
	}
	for family, saved := range r.filters {
		for name, o := range parseRules(family, saved) {
			n.put(name, o)
		}
	}
	return n
}

// named adds to an object's name those of the fields that it has.
func named(name string, o Object, fields ...string) string {
	for _, f := range fields {
		if o[f] != "" {
			name += " " + f + " " + o[f]
		}
	}
	return name
}

// one is a MAC or a link-local address as the name of one interface, seen from
// an interface: itself where it can be, since the ports of a bridge may share its
// MAC; otherwise the bridge, which is what others get to know.
func (k names) one(text, node, iface string) string {
	owners := k.owners(text)
	if len(owners) == 0 {
		return text
	}
	if self := node + ":" + iface; slices.Contains(owners, self) {
		return tag(text, self)
	}
	if i := slices.IndexFunc(owners, func(o string) bool { return k.bridges[o] }); i >= 0 {
		return tag(text, owners[i])
	}
	return tag(text, owners[0])
}

func (k names) owners(text string) []string {
	if owners := k.macs[text]; owners != nil {
		return owners
	}
	return k.linkLocal[text]
}

func tag(text, owner string) string {
	if _, err := netip.ParseAddr(text); err == nil {
		return "fe80(" + owner + ")"
	}
	return owner
}

// all translates the fields of an object but for those that are in its name.
func (k names) all(o Object, named ...string) Object {
	t := Object{}
	for field, value := range o {
		if slices.Contains(named, field) {
			continue
		}
		t[field] = k.value(value)
	}
	return t
}

func (k names) value(text string) string {
	owners := k.owners(text)
	if len(owners) == 0 {
		return text
	}
	tagged := make([]string, len(owners))
	for i, o := range owners {
		tagged[i] = tag(text, o)
	}
	return strings.Join(tagged, or)
}

// flatten writes nested objects as one, with dots between the names; lists of
// plain values with commas between them.
func flatten(from map[string]any) Object {
	o := Object{}
	o.add("", from)
	return o
}

func (o Object) add(prefix string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			if name == "addr_info" { // objects of their own
				continue
			}
			if prefix != "" {
				name = prefix + "." + name
			}
			o.add(name, inner)
		}
	case []any:
		var plain []string
		for i, inner := range v {
			if _, nested := inner.(map[string]any); nested {
				o.add(fmt.Sprintf("%s.%d", prefix, i), inner)
				continue
			}
			plain = append(plain, fmt.Sprint(inner))
		}
		o[prefix] = strings.Join(plain, ",")
	default:
		o[prefix] = fmt.Sprint(v)
	}
}

// parseRules reads what iptables-save or ip6tables-save printed: an object for
// each chain, with its rules in their order.
func parseRules(family, saved string) map[string]Object {
	chains := map[string]Object{}
	rules := map[string]int{}
	table := ""
	chain := func(name string) (string, Object) {
		name = "iptables " + family + " " + table + " " + name
		if chains[name] == nil {
			chains[name] = Object{}
		}
		return name, chains[name]
	}
	for line := range strings.Lines(saved) {
		line = strings.TrimSpace(line)
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || line[0] == '#' || line == "COMMIT":
		case line[0] == '*':
			table = line[1:]
		case line[0] == ':' && len(words) == 3:
			_, c := chain(words[0][1:])
			c["policy"], c["counters"] = words[1], words[2]
		case words[0] == "-A" && len(words) > 1:
			name, c := chain(words[1])
			rules[name]++
			c[fmt.Sprintf("rule %d", rules[name])] = strings.Join(words[2:], " ")
		default:
			_, c := chain("?")
			c[line] = "not understood"
		}
	}
	return chains
}

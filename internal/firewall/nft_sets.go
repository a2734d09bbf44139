package firewall

import (
	"bytes"
	"net"
	"slices"

	"github.com/google/nftables"
)

// asker asks what the text of a rule needs and the rule itself does not hold.
// What can't be asked is shown as the kernel's own name for it.
func (b *nft) asker(line nftLine) asker {
	return asker{
		link: func(index uint32) (name string) {
			_ = b.ns.Do(func() error {
				i, err := net.InterfaceByIndex(int(index))
				if err == nil {
					name = i.Name
				}
				return err
			})
			return name
		},
		elements: func(set string, key []field, data field) []string {
			table := &nftables.Table{Name: line.table, Family: nftables.TableFamily(line.family)}
			all, err := b.conn.GetSetElements(&nftables.Set{Table: table, Name: set})
			if err != nil {
				return nil
			}
			return elementTexts(all, key, data)
		},
	}
}

// elementTexts are the elements of a set, or of a map with what it has for each.
func elementTexts(all []nftables.SetElement, key []field, data field) []string {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b nftables.SetElement) int { return bytes.Compare(a.Key, b.Key) })
	var texts []string
	for i, e := range all {
		if e.IntervalEnd {
			continue
		}
		text := keyText(e.Key, key)
		switch {
		case e.KeyEnd != nil && !bytes.Equal(e.Key, e.KeyEnd):
			text = rangeText(e.Key, e.KeyEnd, key)
		case i+1 < len(all) && all[i+1].IntervalEnd:
			// The end is the first value that is not in it any more.
			if last := before(all[i+1].Key); !bytes.Equal(last, e.Key) {
				text += "-" + keyText(last, key)
			}
		}
		if len(e.Val) > 0 {
			text += " : " + data.write(e.Val, nil)
		}
		texts = append(texts, text)
	}
	return texts
}

// parts are the fields of a key, each of which begins at a whole register.
func parts(value []byte, key []field) [][]byte {
	if len(key) == 1 {
		return [][]byte{value}
	}
	var all [][]byte
	for _, f := range key {
		size := int(f.size)
		if size == 0 {
			size = 4
		}
		if size > len(value) {
			break
		}
		all = append(all, value[:size])
		value = value[min(len(value), (size+3)/4*4):]
	}
	return all
}

func keyText(value []byte, key []field) string {
	text := ""
	for i, part := range parts(value, key) {
		if i > 0 {
			text += " . "
		}
		text += key[i].write(part, nil)
	}
	return text
}

// rangeText is a key of several fields, each of them from one value to another.
func rangeText(from, to []byte, key []field) string {
	first, last := parts(from, key), parts(to, key)
	text := ""
	for i := range min(len(first), len(last)) {
		if i > 0 {
			text += " . "
		}
		text += key[i].write(first[i], nil)
		if !bytes.Equal(first[i], last[i]) {
			text += "-" + key[i].write(last[i], nil)
		}
	}
	return text
}

// before is the number before another one.
func before(value []byte) []byte {
	value = slices.Clone(value)
	for i := range slices.Backward(value) {
		value[i]--
		if value[i] != 0xff {
			break
		}
	}
	return value
}

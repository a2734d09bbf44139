package compare

import (
	"regexp"
	"slices"
)

// KnownChange is a change between kernels that has a name, and what was found of
// it.
type KnownChange struct {
	Name  string
	Since string // the version of Linux that brought it, or between which kernels that was
	Words string
	Found []Difference
}

// known describes a change: what its differences look like, in the direction from
// the older kernel to the newer one. Empty patterns match everything, "-" what is
// not there; the others match the whole text.
type known struct {
	name, since, words string
	kind               Kind
	what, field        string
	before, after      string
}

func (k known) is(d Difference) bool {
	match := func(pattern, text string) bool {
		if pattern == "-" {
			return text == ""
		}
		return pattern == "" || regexp.MustCompile(`^(?s:`+pattern+`)$`).MatchString(text)
	}
	return d.Kind == k.kind && match(k.what, d.What) && match(k.field, d.Field) && match(k.before, d.Before) && match(k.after, d.After)
}

// Known takes the differences that are changes known by name from the others.
func (r *Result) Known() (found []KnownChange, rest []Difference) {
	for _, d := range r.Differences {
		at := slices.IndexFunc(knownChanges, func(k known) bool { return k.is(d) })
		if at < 0 {
			rest = append(rest, d)
			continue
		}
		k := knownChanges[at]
		same := slices.IndexFunc(found, func(f KnownChange) bool { return f.Name == k.name })
		if same < 0 {
			same = len(found)
			found = append(found, KnownChange{Name: k.name, Since: k.since, Words: k.words})
		}
		found[same].Found = append(found[same].Found, d)
	}
	return found, rest
}

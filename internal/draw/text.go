package draw

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// letter is how wide a letter of the monospaced fonts of the style is, at their
// size of 11 pixels.
const letter = 6.65

// Width is how wide a line of text is drawn. East Asian wide letters take the
// room of two.
func Width(text string) float64 {
	count := 0
	for _, r := range Clean(text) {
		count++
		if r >= 0x1100 && (r <= 0x115f || r >= 0x2e80 && r <= 0xa4cf || r >= 0xac00 && r <= 0xd7a3 || r >= 0xf900 && r <= 0xfaff || r >= 0xfe30 && r <= 0xfe6f || r >= 0xff00 && r <= 0xff60 || r >= 0x1f300) {
			count++
		}
	}
	return float64(count) * letter
}

// Clean writes what can't be shown as its bytes in hexadecimal, "\x01": the
// name of an interface may hold any byte but '/', ':' and white space
// (dev_valid_name, net/core/dev.c), and XML forbids some.
func Clean(text string) string {
	plain := true
	for _, r := range text {
		plain = plain && r != utf8.RuneError && unicode.IsPrint(r)
	}
	if plain {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError && size == 1 || !unicode.IsPrint(r) {
			for _, c := range []byte(text[i : i+size]) {
				fmt.Fprintf(&b, `\x%02x`, c)
			}
		} else {
			b.WriteRune(r)
		}
		i += size
	}
	return b.String()
}

// Escape is Clean text for XML and HTML, between tags and in quotes.
func Escape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;").Replace(Clean(text))
}

// Mermaid is Clean text for Mermaid, between quotes and after a colon: what
// means something to it, to Markdown in it, or to HTML is written by its number.
func Mermaid(text string) string {
	var b strings.Builder
	for _, r := range Clean(text) {
		if strings.ContainsRune("\"'<>&#;`\\*_%{}[]()|~$", r) {
			fmt.Fprintf(&b, "#%d;", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

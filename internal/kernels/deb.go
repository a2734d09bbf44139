package kernels

import (
	"archive/tar"
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// readDeb reads a Debian package (deb(5)): control is called with its control
// file, then file with each regular file or symbolic link of its data, in the
// order of the archive. Neither may be nil.
func readDeb(name string, control func(stanza) error, file func(*tar.Header, io.Reader) error) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("open the package: %w", err)
	}
	defer f.Close()
	damaged := func(err error) error {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("it ends early")
		}
		return fmt.Errorf("%s is damaged, or no Debian package: %w: fetch it again", name, err)
	}

	r := bufio.NewReaderSize(f, 1<<20)
	magic := make([]byte, len(arMagic))
	if _, err := io.ReadFull(r, magic); err != nil || string(magic) != arMagic {
		return damaged(errors.New("it does not begin like one"))
	}
	var seen []string
	for {
		member, size, err := arHeader(r)
		if err == io.EOF {
			break
		}
		if err != nil {
			return damaged(err)
		}
		body := &io.LimitedReader{R: r, N: size}
		switch {
		case strings.HasPrefix(member, "control.tar"):
			err = readTar(body, func(h *tar.Header, r io.Reader) error {
				if path.Clean(h.Name) != "control" {
					return nil
				}
				b, err := io.ReadAll(r)
				if err != nil {
					return err
				}
				stanzas := parseStanzas(string(b))
				if len(stanzas) != 1 {
					return errors.New("its control file is empty")
				}
				return control(stanzas[0])
			})
		case strings.HasPrefix(member, "data.tar"):
			err = readTar(body, file)
		}
		var own callbackError
		if errors.As(err, &own) {
			return own.error
		}
		if err != nil {
			return damaged(fmt.Errorf("%s: %w", member, err))
		}
		seen = append(seen, strings.SplitN(member, ".", 2)[0])
		// Padding makes the size even.
		if _, err := io.CopyN(io.Discard, r, body.N+size%2); err != nil {
			return damaged(fmt.Errorf("%s: %w", member, err))
		}
	}
	if !strings.Contains(strings.Join(seen, " "), "control data") {
		return damaged(errors.New("it has no data"))
	}
	return nil
}

const arMagic = "!<arch>\n"

// arHeader reads the header of a member (ar(5)): 60 bytes of text.
func arHeader(r io.Reader) (name string, size int64, err error) {
	b := make([]byte, 60)
	if _, err := io.ReadFull(r, b); err != nil {
		return "", 0, err
	}
	if string(b[58:]) != "`\n" {
		return "", 0, errors.New("a member's header is damaged")
	}
	size, err = strconv.ParseInt(strings.TrimSpace(string(b[48:58])), 10, 64)
	if err != nil || size < 0 {
		return "", 0, errors.New("a member's size is damaged")
	}
	return strings.TrimRight(string(b[:16]), " /"), size, nil
}

// callbackError is an error of whoever reads the archive, not of the archive.
type callbackError struct{ error }

func (e callbackError) Unwrap() error { return e.error }

// readTar calls file with every regular file and link of a tar archive, which
// may be compressed.
func readTar(r io.Reader, file func(*tar.Header, io.Reader) error) error {
	plain, err := decompress(r)
	if err != nil {
		return err
	}
	defer plain.Close()
	t := tar.NewReader(plain)
	for {
		h, err := t.Next()
		if err == io.EOF {
			// What follows the archive is padding; a damaged end shows here.
			_, err := io.Copy(io.Discard, plain)
			return err
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeSymlink {
			continue
		}
		h.Name = strings.TrimPrefix(path.Clean("/"+h.Name), "/") // never outside of where it is unpacked
		content := &noting{r: t}
		if err := file(h, content); err != nil {
			if content.err != nil {
				return content.err
			}
			return callbackError{err}
		}
	}
}

// noting keeps the error of a reader: it tells a damaged archive from a full disk.
type noting struct {
	r   io.Reader
	err error
}

func (n *noting) Read(b []byte) (int, error) {
	c, err := n.r.Read(b)
	if err != nil && err != io.EOF {
		n.err = err
	}
	return c, err
}

// stanza is the fields of one package, as in a control file.
type stanza map[string]string

// parseStanzas reads control data (deb-control(5)): fields "Name: value", with
// continued lines, and an empty line between packages.
func parseStanzas(text string) (all []stanza) {
	s, last := stanza{}, ""
	flush := func() {
		if len(s) > 0 {
			all = append(all, s)
		}
		s, last = stanza{}, ""
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.TrimSpace(line) == "":
			flush()
		case line[0] == ' ' || line[0] == '\t':
			if last != "" {
				s[last] += "\n" + strings.TrimSpace(line)
			}
		default:
			if key, value, ok := strings.Cut(line, ":"); ok {
				last = key
				s[key] = strings.TrimSpace(value)
			}
		}
	}
	flush()
	return all
}

// writeFile writes a file, and its directories where they are missing.
func writeFile(name string, r io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.Copy(f, r); err != nil {
		return err
	}
	return f.Close()
}

// hasMagic reports whether b starts with any of the given bytes.
func hasMagic(b []byte, magic string) bool { return bytes.HasPrefix(b, []byte(magic)) }

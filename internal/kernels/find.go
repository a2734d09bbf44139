package kernels

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Find is the kernel of a name (Forms). One that is in the cache is taken from
// there, without a look at the network: Fetch looks for a newer one.
func (c *Cache) Find(ctx context.Context, text string) (*Kernel, error) {
	n, err := parseName(text)
	if err != nil {
		return nil, err
	}
	switch {
	case n.suite != nil:
		if k := c.named(text); k != nil {
			return k, nil
		}
		return c.fetchSuite(ctx, n, false)
	case n.cached != "":
		return c.cachedBy(n.cached)
	default:
		return c.fromFiles(ctx, n)
	}
}

// Fetch is Find, but asks the archive what the name stands for now.
func (c *Cache) Fetch(ctx context.Context, text string) (*Kernel, error) {
	n, err := parseName(text)
	if err != nil {
		return nil, err
	}
	if n.suite != nil {
		return c.fetchSuite(ctx, n, true)
	}
	return c.Find(ctx, text)
}

// cachedBy finds a kernel of the cache by its release or ID.
func (c *Cache) cachedBy(text string) (*Kernel, error) {
	all, err := c.List()
	if err != nil {
		return nil, err
	}
	var found *Kernel
	for _, k := range all {
		if k.ID == text {
			return k, nil
		}
		if k.Release == text && (found == nil || k.Made.After(found.Made)) {
			found = k
		}
	}
	if found == nil {
		return nil, fmt.Errorf("kernel %s is not in the cache (%s): see `netrig kernels list`, or name it as %s", text, c.dir, Forms)
	}
	return found, nil
}

// fromFiles lays out a kernel of package files, or an installed one. What they
// hold is their name in the cache, so that a file that was replaced is noticed.
func (c *Cache) fromFiles(ctx context.Context, n name) (*Kernel, error) {
	files, modules := n.debs, ""
	if n.image != "" {
		image, err := filepath.Abs(n.image)
		if err != nil {
			return nil, err
		}
		_, release, err := inspect(image)
		if errors.Is(err, fs.ErrPermission) {
			return nil, fmt.Errorf("%w: some distributions let only root read it: sudo install -m 644 %s ELSEWHERE", err, image)
		}
		if err != nil {
			return nil, fmt.Errorf("kernel %q: %w", n.text, err)
		}
		if release == "" { // an arm64 Image does not say it
			var named bool
			if release, named = strings.CutPrefix(filepath.Base(image), "vmlinuz-"); !named {
				return nil, fmt.Errorf("kernel %q does not say its release: its file has to be called vmlinuz-RELEASE", n.text)
			}
		}
		files = []string{image}
		if modules, err = modulesFor(image, release); err != nil {
			return nil, fmt.Errorf("kernel %q is %s, and its modules are missing: %w: install the package that they come in", n.text, release, err)
		}
	}
	hash, err := hashOf(files, modules)
	if err != nil {
		return nil, fmt.Errorf("kernel %q: %w", n.text, err)
	}
	key := "files-" + hash
	unlock, err := c.lock(key)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if k := c.named(key); k != nil {
		return k, nil
	}
	c.say("unpacking %s", n.text)
	k, err := c.add(func(k *Kernel) string { return k.Release + "_" + hash }, func(p *parts) error {
		if n.image != "" {
			return p.installed(files[0], modules)
		}
		for _, deb := range files {
			if err := errors.Join(ctx.Err(), p.unpack(deb)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("kernel %q: %w", n.text, err)
	}
	return k, c.remember(key, k)
}

// modulesFor is the directory with the modules of an installed image: where it
// lies itself (from 6.19 on), below the directory in which its boot is, which is a
// system's root, or below this system's own.
func modulesFor(image, release string) (string, error) {
	root := filepath.Dir(filepath.Dir(image))
	var failed error
	for _, dir := range []string{
		filepath.Dir(image), filepath.Join(root, "lib/modules", release), filepath.Join(root, "usr/lib/modules", release), filepath.Join("/lib/modules", release),
	} {
		_, err := os.Stat(filepath.Join(dir, "kernel"))
		if err == nil && filepath.Base(dir) == release {
			return dir, nil
		}
		failed = err
	}
	return "", failed
}

// installed takes an image, its configuration when that lies next to it, and a
// tree of modules.
func (p *parts) installed(image, modules string) error {
	p.modules = modules
	p.kernel.Release = filepath.Base(modules)
	p.kernel.Sources = []string{image, modules}
	config := ""
	if rest, ok := strings.CutPrefix(filepath.Base(image), "vmlinuz-"); ok {
		config = filepath.Join(filepath.Dir(image), "config-"+rest)
	}
	for from, to := range map[string]string{image: imageFile, config: configFile} {
		f, err := os.Open(from)
		if errors.Is(err, fs.ErrNotExist) && to == configFile {
			continue
		}
		if err != nil {
			return err
		}
		err = writeFile(filepath.Join(p.dir, to), f)
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// hashOf tells versions of files apart by their content, and of a tree of
// modules, which is large, by names, sizes and times.
func hashOf(files []string, tree string) (string, error) {
	h := sha256.New()
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return "", err
		}
		_, err = io.Copy(h, f)
		f.Close()
		if err != nil {
			return "", err
		}
	}
	if tree != "" {
		err := filepath.WalkDir(filepath.Join(tree, "kernel"), func(file string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			info, err := entry.Info()
			if err == nil {
				fmt.Fprintln(h, file, info.Size(), info.ModTime().UnixNano())
			}
			return err
		})
		if err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

package kernels

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Kernel is one kernel in the cache. Its directory holds imageFile, mostly
// configFile, modulesDir and tableFile, and never changes once it is there.
type Kernel struct {
	// Release is what uname -r says in the machine: "6.1.0-50-cloud-amd64".
	Release string `json:"release"`
	// Version is the version of the package, "6.1.176-1"; empty for a kernel that
	// was taken from /boot.
	Version string `json:"version,omitempty"`
	// Sources are the packages or files that it was made of.
	Sources []string `json:"sources"`
	// Arch is the architecture as Go calls it: "amd64".
	Arch string `json:"arch"`
	// ConfigHash is the SHA-256 of the kernel's configuration, in hexadecimal;
	// empty when there was none.
	ConfigHash string `json:"config_hash,omitempty"`
	// Made is when it was put into the cache.
	Made time.Time `json:"made"`

	// ID is the name of its directory: the release, and the version or a hash.
	ID string `json:"-"`
	// Dir is the directory.
	Dir string `json:"-"`
}

const (
	layout     = "1" // of a kernel's directory; another number makes it be fetched again
	metaFile   = "kernel.json"
	imageFile  = "vmlinuz"
	configFile = "config"
	modulesDir = "modules"
	tableFile  = "modules.table"
)

// Image is the path of the kernel's image (bzImage).
func (k *Kernel) Image() string { return filepath.Join(k.Dir, imageFile) }

// Config is the path of the kernel's configuration; empty when there is none.
func (k *Kernel) Config() string {
	if k.ConfigHash == "" {
		return ""
	}
	return filepath.Join(k.Dir, configFile)
}

// ModulesDir is the directory that Table's file names are relative to.
func (k *Kernel) ModulesDir() string { return filepath.Join(k.Dir, modulesDir) }

// Table reads the kernel's modules and their aliases.
func (k *Kernel) Table() (*Table, error) {
	b, err := os.ReadFile(filepath.Join(k.Dir, tableFile))
	if err != nil {
		return nil, fmt.Errorf("kernel %s: read its table of modules: %w", k.ID, err)
	}
	return ParseTable(b)
}

// String names the kernel for people.
func (k *Kernel) String() string {
	if k.Version == "" {
		return k.Release
	}
	return k.Release + " (" + k.Version + ")"
}

// load reads the kernel in dir.
func load(dir string) (*Kernel, error) {
	b, err := os.ReadFile(filepath.Join(dir, metaFile))
	if err != nil {
		return nil, err
	}
	k := &Kernel{Dir: dir, ID: filepath.Base(dir)}
	if err := json.Unmarshal(b, k); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, metaFile), err)
	}
	return k, nil
}

func (k *Kernel) save(dir string) error {
	b, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, metaFile), append(b, '\n'), 0o644)
}

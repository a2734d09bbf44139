package journal

// System is the kernel that the journals next to it are of, as it was packaged.
type System struct {
	Header
	// Name is what it was asked for by: "debian/bookworm".
	Name string `json:"name"`
	// Package is the version of its package, "6.1.176-1"; empty for one that is not
	// of a package.
	PackageVersion string `json:"package_version,omitempty"`
	// ConfigHash is the SHA-256 of the file with its configuration, in hexadecimal;
	// empty where there is none.
	ConfigHash string `json:"config_hash,omitempty"`
	// Outside tells that the tests ran on the machine's own kernel, in no virtual
	// machine.
	Outside bool `json:"outside,omitempty"`
	// Configuration are the options that are set, by name: "CONFIG_VETH" is "m".
	Configuration map[string]string `json:"configuration"`
}

// SystemFile is its file in a folder of journals.
const SystemFile = "kernel" + extension

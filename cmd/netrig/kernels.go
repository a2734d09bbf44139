package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v3"

	"github.com/netrig/netrig/internal/kernels"
)

func kernelsCommand() *cli.Command {
	return &cli.Command{
		Name:            "kernels",
		Usage:           "kernels for virtual machines: list and fetch them",
		UsageText:       "netrig kernels list|fetch [OPTIONS] [ARGUMENTS]",
		Description:     paragraph(kernelsHelp),
		HideHelpCommand: true,
		OnUsageError:    usageError,
		Commands: []*cli.Command{{
			Name:         "list",
			Usage:        "the kernels in the cache, or what a suite has",
			UsageText:    "netrig kernels list [debian/SUITE[:full][:ARCH][=VERSION]...]",
			Description:  paragraph(listHelp),
			OnUsageError: usageError,
			Flags:        []cli.Flag{cacheFlag()},
			Action:       listKernels,
		}, {
			Name:         "fetch",
			Usage:        "put kernels into the cache",
			UsageText:    "netrig kernels fetch KERNEL...",
			Description:  paragraph(fetchHelp),
			OnUsageError: usageError,
			Flags:        []cli.Flag{cacheFlag()},
			Action:       fetchKernels,
		}},
		Action: func(_ context.Context, c *cli.Command) error {
			if c.Args().Present() {
				return exit{statusUsage, fmt.Errorf("%q is neither list nor fetch: see netrig kernels --help", c.Args().First())}
			}
			return cli.ShowSubcommandHelp(c)
		},
	}
}

const kernelsHelp = `
Kernels are kept unpacked under the user's cache directory, ready to boot: some
40 MB each. Several processes may use it at once. To remove a kernel, remove its
directory.

Examples:

   netrig kernels fetch debian/bookworm debian/trixie-backports=6.18
   netrig kernels list
   netrig kernels list debian/trixie-backports`

const listHelp = `
Without an argument: the kernels in the cache, the names by which they were
fetched, and where they are. With one: the versions that the archive has,
and which of them it no longer has as a whole.

Examples:

   netrig kernels list
   netrig kernels list debian/trixie-backports debian/sid:full`

const fetchHelp = `
debian/SUITE[:full][:ARCH][=VERSION] is fetched from where this machine's apt gets
Debian, checked as apt does, and apt's own state stays as it is. It looks for a
newer version of what is in the cache. Files (FILE.deb..., /boot/vmlinuz-X) are
unpacked; those of one kernel, as linux-binary-X, linux-modules-X and
linux-base-X, belong together, by their names or with commas between.

Examples:

   netrig kernels fetch debian/trixie debian/bookworm:full
   netrig kernels fetch linux-image-6.12.107+deb13-cloud-amd64_6.12.107-1_amd64.deb
   netrig kernels fetch linux-{base,binary,modules}-7.3.4+deb13-cloud-amd64_*.deb`

func openCache(c *cli.Command) (*kernels.Cache, error) {
	cache, err := kernels.OpenCache(c.String("cache"))
	if err == nil && !c.Bool("quiet") {
		cache.Say = teller(c)
	}
	return cache, err
}

func listKernels(ctx context.Context, c *cli.Command) error {
	cache, err := openCache(c)
	if err != nil {
		return err
	}
	out := tabwriter.NewWriter(c.Root().Writer, 0, 0, 2, ' ', 0)
	defer out.Flush()
	if c.Args().Present() {
		fmt.Fprintln(out, "RELEASE\tVERSION\tCACHED")
		for _, suite := range c.Args().Slice() {
			all, err := cache.Available(ctx, suite)
			if err != nil {
				return err
			}
			for _, k := range all {
				cached := ""
				switch {
				case k.Cached:
					cached = "yes"
				case len(k.Missing) > 0:
					cached = "can't be fetched: the archive no longer has " + strings.Join(k.Missing, ", ")
				}
				fmt.Fprintf(out, "%s\t%s\t%s\n", k.Release, k.Version, cached)
			}
		}
		return nil
	}
	all, err := cache.List()
	if err != nil {
		return err
	}
	if len(all) == 0 {
		fmt.Fprintf(c.Root().Writer, "no kernel is in the cache (%s): netrig kernels fetch debian/bookworm\n", cache.Dir())
		return nil
	}
	names := cache.Names()
	fmt.Fprintln(out, "RELEASE\tVERSION\tFETCHED AS\tDIRECTORY")
	for _, k := range all {
		version := k.Version
		if version == "" {
			version = "(installed)"
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\n", k.Release, version, strings.Join(names[k.ID], " "), k.Dir)
	}
	return nil
}

func fetchKernels(ctx context.Context, c *cli.Command) error {
	if !c.Args().Present() {
		return exit{statusUsage, errors.New("no kernel is named: " + kernels.Forms)}
	}
	cache, err := openCache(c)
	if err != nil {
		return err
	}
	for _, name := range joinPackages(c.Args().Slice()) {
		k, err := cache.Fetch(ctx, name)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.Root().Writer, "%s is %s in %s\n", name, k, k.Dir)
	}
	return nil
}

// part is the file of a package that holds a part of a kernel; what follows the
// part's name is the same in all parts.
var part = regexp.MustCompile(`^linux-(?:image|base|binary|modules)-([^,]+\.deb)$`)

// joinPackages makes one name of the files of one kernel.
func joinPackages(names []string) (joined []string) {
	at := map[string]int{}
	for _, name := range names {
		if m := part.FindStringSubmatch(filepath.Base(name)); m != nil {
			key := filepath.Join(filepath.Dir(name), m[1])
			if i, ok := at[key]; ok {
				joined[i] += "," + name
				continue
			}
			at[key] = len(joined)
		}
		joined = append(joined, name)
	}
	return joined
}

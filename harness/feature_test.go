package harness

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/netrig/netrig/internal/try"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Who has it goes on; who was built without it skips, and says where to run instead;
// of any other the module is named.
func TestFeature(t *testing.T) {
	demand := func(f feature) try.Result { return try.Run("feature", func(tb testing.TB) { f.demand(tb) }) }
	there := demand(feature{"a wheel", "CONFIG_WHEEL", "wheel", nil})
	assert.False(t, there.Failed || there.Skipped, there.Log())

	refused := errors.New("operation not supported")
	broken := demand(feature{what: "a namespace", err: refused})
	assert.True(t, broken.Failed)
	assert.Contains(t, broken.Log(), "make a namespace: operation not supported")

	unknown := demand(feature{"a wheel", "CONFIG_WHEEL", "wheel", refused})
	// CONFIG_NET is in every kernel that these tests run on: it does not say otherwise.
	present := demand(feature{"a wheel", "CONFIG_NET", "wheel", refused})
	assert.Contains(t, present.Log(), "a wheel can't be made: operation not supported: the kernel wants CONFIG_NET, or as root `modprobe wheel`")
	assert.Equal(t, os.Getenv("NETRIG_REQUIRE") == "1", present.Failed)
	if _, err := os.Stat(kernelConfiguration); err == nil {
		require.True(t, unknown.Skipped, "whatever NETRIG_REQUIRE says: %s", unknown.Log())
		assert.Contains(t, unknown.Log(), "this kernel was built without CONFIG_WHEEL; run the test on another")
	} else {
		assert.True(t, strings.Contains(unknown.Log(), "modprobe wheel"), unknown.Log())
	}
}

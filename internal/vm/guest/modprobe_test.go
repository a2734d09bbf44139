package guest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLive(t *testing.T) {
	sys := t.TempDir()
	for module, state := range map[string]string{"there": "live\n", "halfway": "coming\n", "leaving": "going\n"} {
		require.NoError(t, os.MkdirAll(filepath.Join(sys, module), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(sys, module, "initstate"), []byte(state), 0o644))
	}
	assert.True(t, live(sys, "there"))
	for _, module := range []string{"halfway", "leaving", "not-there"} {
		assert.False(t, live(sys, module), module)
	}
}

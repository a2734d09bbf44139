package trial

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Eight test processes at once, with the same names, addresses and ports in
// each: none is in the way of another, and none sees another's packets, names or
// rules, which the victim looks for in each of its labs.
func TestEightAtOnce(t *testing.T) {
	need(t, "sh", "setsid", "sleep")
	const processes, each = 8, 4
	for _, who := range users() {
		t.Run(string(who), func(t *testing.T) {
			machine := primed(t, who)
			var all []*victim
			for n := range processes {
				v := who.victim(t, fmt.Sprintf("labs=%d", each))
				v.Env = append(v.Env, fmt.Sprintf("%s=%d", numberVariable, n))
				v.start()
				all = append(all, v)
			}
			for _, v := range all {
				v.readAll()
			}
			for _, v := range all {
				require.NoError(t, v.Wait(), "%s", v.log())
				for _, p := range phases {
					require.Equal(t, each, v.seen[p], "phase %s\n%s", p, v.log())
				}
			}
			for _, v := range all {
				v.requireNothingLeft(machine, time.Now(), false)
			}
		})
	}
}

package assert_test

import (
	"testing"

	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/try"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { harness.Main(m) }

// chain is client - router - server, with routes, forwarding, and addresses of
// both families: 10.0.1.0/24 and fd01::/64 on the client's side (.2 and .1), 10.0.2.0/24
// and fd02::/64 on the server's.
func chain(t testing.TB, options ...harness.Option) (client, router, server *harness.Node) {
	t.Helper()
	lab := harness.New(t, options...)
	client, router, server = lab.Node("client"), lab.Node("router"), lab.Node("server")
	lab.Connect(client.Port("eth0", "10.0.1.2/24", "fd01::2/64"), router.Port("left", "10.0.1.1/24", "fd01::1/64"))
	lab.Connect(router.Port("right", "10.0.2.1/24", "fd02::1/64"), server.Port("eth0", "10.0.2.2/24", "fd02::2/64"))
	client.AddDefaultRoute("10.0.1.1")
	client.AddDefaultRoute("fd01::1")
	server.AddDefaultRoute("10.0.2.1")
	server.AddDefaultRoute("fd02::1")
	router.EnableForwarding()
	return client, router, server
}

// failure runs f, which must fail, and returns the first message, which must
// be at the line of the caller.
func failure(t *testing.T, f func(testing.TB)) string {
	t.Helper()
	r := try.Run("failing", f)
	if r.Skipped {
		t.Skip(r.Log())
	}
	require.True(t, r.Failed, "it must fail")
	require.Nil(t, r.Panic, r.Stack)
	require.NotEmpty(t, r.Lines)
	assert.Contains(t, r.Lines[0].File, "_test.go", r.Log())
	return r.Lines[0].Text
}

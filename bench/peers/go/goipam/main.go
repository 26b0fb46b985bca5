// goipam: metal-stack's go-ipam with its storage in memory, first free address first.
//
// A prefix is one value there: every call copies the map of its held addresses, and an allocation
// scans from the prefix's first address. Rows that would take too long are left out, by name.
package main

import (
	"context"
	"encoding/json"
	"net"

	"berth.dev/bench/peers/protocol"
	goipam "github.com/metal-stack/go-ipam"
)

type prefix struct {
	*protocol.IPv4
	ctx  context.Context
	ipam goipam.Ipamer
	cidr string
}

func (p *prefix) Allocate() (uint32, error) {
	ip, err := p.ipam.AcquireIP(p.ctx, p.cidr)
	if err != nil {
		return 0, err
	}
	four := ip.IP.As4()
	return p.Slot(net.IP(four[:]))
}

func (p *prefix) Release(slot uint32) error {
	_, err := p.ipam.ReleaseIP(p.ctx, &goipam.IP{IP: p.Addr(slot), ParentPrefix: p.cidr})
	return err
}

// Hold loads a dump in which the addresses are held: asking for them one by one would take longer
// than everything that is measured.
func (p *prefix) Hold(slots []uint32) error {
	dump, err := p.ipam.Dump(p.ctx)
	if err != nil {
		return err
	}
	var prefixes []map[string]any
	if err := json.Unmarshal([]byte(dump), &prefixes); err != nil {
		return err
	}
	held := prefixes[0]["IPs"].(map[string]any)
	for _, slot := range slots {
		held[p.Addr(slot).String()] = true
	}
	full, err := json.Marshal(prefixes)
	if err != nil {
		return err
	}
	if _, err := p.ipam.DeletePrefix(p.ctx, p.cidr); err != nil {
		return err
	}
	return p.ipam.Load(p.ctx, string(full))
}

func prepare(row protocol.Row) (protocol.Maker, error) {
	v, err := protocol.NewIPv4(row)
	return func() (protocol.Allocator, error) {
		ctx := context.Background()
		p := &prefix{v, ctx, goipam.New(ctx), row.Prefix}
		_, err := p.ipam.NewPrefix(ctx, row.Prefix)
		return p, err
	}, err
}

func main() {
	peer := protocol.Peer{Name: "go-ipam", Module: "github.com/metal-stack/go-ipam"}
	left := map[string]string{
		"fill-16":        "every call copies all held addresses: a round takes tens of minutes",
		"nodecidr-48-64": "every call goes through all child prefixes: a round takes most of an hour",
	}
	// A call takes tens of milliseconds: a round that is to last less than a second has few of them.
	bounds := map[string]int{"churn-16@50": 8, "churn-16@99": 8}
	for _, row := range protocol.Rows {
		if reason, out := left[row.Name]; out {
			peer.Left = append(peer.Left, protocol.LeftRow{Row: row.Name, Reason: reason})
			continue
		}
		peer.Rows = append(peer.Rows, protocol.PeerRow{
			Row: row.Name, Policy: "first", Common: true,
			OperationsMax: bounds[row.Name], Prepare: prepare,
		})
	}
	protocol.Main(peer)
}

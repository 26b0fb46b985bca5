package main

import (
	"context"
	"encoding/json"
	"reflect"
	"testing"

	"berth.dev/bench/peers/protocol"
	"github.com/projectcalico/calico/libcalico-go/lib/backend/model"
	cerrors "github.com/projectcalico/calico/libcalico-go/lib/errors"
)

func clusterOf(t *testing.T, name string) *cluster {
	row, err := protocol.RowOf(name)
	if err != nil {
		t.Fatal(err)
	}
	maker, err := prepare(row)
	if err != nil {
		t.Fatal(err)
	}
	made, err := maker()
	if err != nil {
		t.Fatal(err)
	}
	return made.(*cluster)
}

// content is what the store has by path, less the numbers that come from the time of day.
func content(t *testing.T, c *cluster) map[string]string {
	all := map[string]string{}
	c.data.entries.Ascend(func(e *entry) bool {
		all[e.path] = string(e.value)
		return true
	})
	list, err := c.data.List(c.ctx, model.BlockListOptions{}, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, pair := range list.KVPairs {
		path, _ := model.KeyToDefaultPath(pair.Key)
		block := pair.Value.(*model.AllocationBlock)
		first := block.SequenceNumber
		for _, number := range block.SequenceNumberForAllocation {
			first = min(first, number)
		}
		for ordinal := range block.SequenceNumberForAllocation {
			block.SequenceNumberForAllocation[ordinal] -= first
		}
		block.SequenceNumber -= first
		text, _ := json.Marshal(block)
		all[path] = string(text)
	}
	return all
}

// What Hold writes is what the client writes for the same addresses.
func TestHold(t *testing.T) {
	asked, loaded := clusterOf(t, "churn-24@50"), clusterOf(t, "churn-24@50")
	var slots []uint32
	for slot := uint32(1); slot < 100; slot++ {
		if err := asked.take(slot); err != nil {
			t.Fatal(err)
		}
		slots = append(slots, slot)
	}
	if err := loaded.Hold(slots); err != nil {
		t.Fatal(err)
	}
	want, got := content(t, asked), content(t, loaded)
	if len(want) != len(got) {
		t.Fatalf("%d entries, and the client writes %d", len(got), len(want))
	}
	for path := range want {
		if want[path] != got[path] {
			t.Errorf("%s\nis            %s\nof the client %s", path, got[path], want[path])
		}
	}
	if !reflect.DeepEqual(asked.room, loaded.room) {
		t.Error("the nodes' room differs")
	}
	if !reflect.DeepEqual(asked.handles, loaded.handles) {
		t.Error("the pods' handles differ")
	}
}

// A writer that hasn't seen the last write is refused, and what callers hold isn't what is kept.
func TestStore(t *testing.T) {
	ctx, s := context.Background(), newStore()
	key := model.IPAMHandleKey{HandleID: "a"}
	write := func(blocks int, revision string) *model.KVPair {
		value := &model.IPAMHandle{HandleID: "a", Block: map[string]int{"10.0.0.0/26": blocks}}
		return &model.KVPair{Key: key, Value: value, Revision: revision}
	}
	refused := func(what string, err error, want any) {
		t.Helper()
		if err == nil || reflect.TypeOf(err) != reflect.TypeOf(want) {
			t.Errorf("%s: %T %v, it should be %T", what, err, err, want)
		}
	}
	_, err := s.Get(ctx, key, "")
	refused("get of nothing", err, cerrors.ErrorResourceDoesNotExist{})
	_, err = s.Update(ctx, write(1, "1"))
	refused("update of nothing", err, cerrors.ErrorResourceDoesNotExist{})
	_, err = s.Delete(ctx, key, "")
	refused("delete of nothing", err, cerrors.ErrorResourceDoesNotExist{})

	first, err := s.Create(ctx, write(1, ""))
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Create(ctx, write(2, ""))
	refused("second create", err, cerrors.ErrorResourceAlreadyExists{})
	stale := first.Revision
	second, err := s.Update(ctx, write(2, stale))
	if err != nil || second.Revision == stale {
		t.Fatalf("update: %v, revision %v after %s", err, second, stale)
	}
	existing, err := s.Update(ctx, write(3, stale))
	refused("stale update", err, cerrors.ErrorResourceUpdateConflict{})
	if existing == nil || existing.Revision != second.Revision {
		t.Errorf("stale update: %v, it should show revision %s", existing, second.Revision)
	}
	_, err = s.DeleteKVP(ctx, write(3, stale))
	refused("stale delete", err, cerrors.ErrorResourceUpdateConflict{})

	second.Value.(*model.IPAMHandle).Block["10.0.0.0/26"] = 99
	kept, err := s.Get(ctx, key, "")
	if err != nil || kept.Value.(*model.IPAMHandle).Block["10.0.0.0/26"] != 2 {
		t.Errorf("a caller changed what is kept: %+v %v", kept, err)
	}
	other := &model.KVPair{Key: model.IPAMHandleKey{HandleID: "0"}, Value: &model.IPAMHandle{}}
	if _, err := s.Apply(ctx, other); err != nil {
		t.Fatal(err)
	}
	list, err := s.List(ctx, model.IPAMHandleListOptions{}, "")
	if err != nil || len(list.KVPairs) != 2 || list.KVPairs[0].Key != other.Key {
		t.Errorf("list: %+v %v", list, err)
	}
	if _, err := s.DeleteKVP(ctx, write(0, kept.Revision)); err != nil {
		t.Error(err)
	}
}

// Store: the datastore behind Calico's IPAM client, in memory.
//
// It does what Calico's own backend for etcd does, less the network and etcd: keys are the paths
// that the model gives them, in one ordered tree; values are JSON, written on the way in and read
// on the way out, so that what a caller holds is never what is kept; each write has a number, the
// revision, by which the next writer shows that it has seen it.
//
//	/calico/ipam/v2/assignment/ipv4/block/10.0.0.0-26    {"cidr":...,"allocations":[...]}  42
//	/calico/ipam/v2/handle/k8s-pod-network.0000...0001   {"block":{"10.0.0.0/26":1}}       43
//
// There is no history (a revision asked for by a reader is refused), no watch and no expiry: the
// IPAM client uses none of them.
package main

import (
	"context"
	"strconv"
	"strings"
	"sync"

	"github.com/google/btree"
	"github.com/projectcalico/calico/libcalico-go/lib/backend/api"
	"github.com/projectcalico/calico/libcalico-go/lib/backend/model"
	cerrors "github.com/projectcalico/calico/libcalico-go/lib/errors"
)

// etcd's own index of keys has this degree, too.
const treeDegree = 32

type entry struct {
	path     string
	value    []byte
	revision int64
}

type store struct {
	lock     sync.Mutex
	entries  *btree.BTreeG[*entry]
	revision int64 // of the last write
}

func newStore() *store {
	byPath := func(a, b *entry) bool { return a.path < b.path }
	return &store{entries: btree.NewG(treeDegree, byPath)}
}

// pair reads an entry into a new value.
func (e *entry) pair(key model.Key) (*model.KVPair, error) {
	value, err := model.ParseValue(key, e.value)
	if err != nil {
		return nil, cerrors.ErrorParsingDatastoreEntry{
			RawKey: e.path, RawValue: string(e.value), Err: err,
		}
	}
	revision := strconv.FormatInt(e.revision, 10)
	return &model.KVPair{Key: key, Value: value, Revision: revision}, nil
}

// put writes an entry with the next revision, which the pair has afterwards. With the lock.
func (s *store) put(path string, value []byte, object *model.KVPair) (*model.KVPair, error) {
	s.revision++
	e := &entry{path, value, s.revision}
	s.entries.ReplaceOrInsert(e)
	pair, err := e.pair(object.Key)
	if err != nil {
		return nil, err
	}
	object.Value, object.Revision = pair.Value, pair.Revision
	return object, nil
}

func written(object *model.KVPair) (string, []byte, error) {
	path, err := model.KeyToDefaultPath(object.Key)
	if err != nil {
		return "", nil, cerrors.ErrorDatastoreError{Err: err, Identifier: object.Key}
	}
	value, err := model.SerializeValue(object)
	if err != nil {
		return "", nil, cerrors.ErrorDatastoreError{Err: err, Identifier: object.Key}
	}
	return path, value, nil
}

func (s *store) Create(_ context.Context, object *model.KVPair) (*model.KVPair, error) {
	path, value, err := written(object)
	if err != nil {
		return nil, err
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	if e, found := s.entries.Get(&entry{path: path}); found {
		existing, _ := e.pair(object.Key)
		return existing, cerrors.ErrorResourceAlreadyExists{Identifier: object.Key}
	}
	return s.put(path, value, object)
}

func (s *store) Update(_ context.Context, object *model.KVPair) (*model.KVPair, error) {
	path, value, err := written(object)
	if err != nil {
		return nil, err
	}
	seen, err := strconv.ParseInt(object.Revision, 10, 64)
	if err != nil {
		return nil, cerrors.ErrorDatastoreError{Err: err, Identifier: object.Key}
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	e, found := s.entries.Get(&entry{path: path})
	if !found {
		return nil, cerrors.ErrorResourceDoesNotExist{Identifier: object.Key}
	}
	if e.revision != seen {
		existing, _ := e.pair(object.Key)
		return existing, cerrors.ErrorResourceUpdateConflict{Identifier: object.Key}
	}
	return s.put(path, value, object)
}

func (s *store) Apply(_ context.Context, object *model.KVPair) (*model.KVPair, error) {
	path, value, err := written(object)
	if err != nil {
		return nil, err
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.put(path, value, object)
}

func (s *store) DeleteKVP(ctx context.Context, object *model.KVPair) (*model.KVPair, error) {
	return s.Delete(ctx, object.Key, object.Revision)
}

func (s *store) Delete(_ context.Context, key model.Key, revision string) (*model.KVPair, error) {
	path, err := model.KeyToDefaultDeletePath(key)
	if err != nil {
		return nil, err
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	e, found := s.entries.Get(&entry{path: path})
	if !found {
		return nil, cerrors.ErrorResourceDoesNotExist{Identifier: key}
	}
	if revision != "" && revision != strconv.FormatInt(e.revision, 10) {
		existing, _ := e.pair(key)
		return existing, cerrors.ErrorResourceUpdateConflict{Identifier: key}
	}
	s.revision++
	s.entries.Delete(e)
	deleted, _ := e.pair(key)
	return deleted, nil
}

func (s *store) Get(_ context.Context, key model.Key, revision string) (*model.KVPair, error) {
	if revision != "" {
		return nil, unsupported("Get of a revision", key)
	}
	path, err := model.KeyToDefaultPath(key)
	if err != nil {
		return nil, err
	}
	s.lock.Lock()
	e, found := s.entries.Get(&entry{path: path})
	s.lock.Unlock()
	if !found {
		return nil, cerrors.ErrorResourceDoesNotExist{Identifier: key}
	}
	return e.pair(key) // an entry never changes, a write makes a new one
}

// List goes through everything below the options' path, in the order of the paths.
func (s *store) List(
	_ context.Context, options model.ListInterface, revision string,
) (*model.KVPairList, error) {
	if revision != "" {
		return nil, unsupported("List of a revision", options)
	}
	root := model.ListOptionsToDefaultPathRoot(options)
	if !model.IsListOptionsLastSegmentPrefix(options) &&
		!model.ListOptionsIsFullyQualified(options) && !strings.HasSuffix(root, "/") {
		root += "/"
	}
	var found []*entry
	s.lock.Lock()
	s.entries.AscendGreaterOrEqual(&entry{path: root}, func(e *entry) bool {
		if !strings.HasPrefix(e.path, root) {
			return false
		}
		found = append(found, e)
		return true
	})
	list := &model.KVPairList{Revision: strconv.FormatInt(s.revision, 10)}
	s.lock.Unlock()
	for _, e := range found {
		key := options.KeyFromDefaultPath(e.path)
		if key == nil {
			continue
		}
		if pair, err := e.pair(key); err == nil {
			list.KVPairs = append(list.KVPairs, pair)
		}
	}
	return list, nil
}

func (s *store) Watch(
	_ context.Context, options model.ListInterface, _ api.WatchOptions,
) (api.WatchInterface, error) {
	return nil, unsupported("Watch", options)
}

func (s *store) EnsureInitialized() error { return nil }

func (s *store) Clean() error {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.entries.Clear(false)
	return nil
}

func unsupported(operation string, what any) error {
	return cerrors.ErrorOperationNotSupported{
		Operation: operation, Identifier: what, Reason: "the store is in memory",
	}
}

package kubetest

import (
	"encoding/json"
	"fmt"
	"strings"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

// patch applies a merge, strategic merge or JSON patch to the newest version, and then does what an update does; a
// resourceVersion in the patch is a precondition. Server-side apply is refused with 415.
func (s *Server) patch(c *call, body []byte) (*record, error) {
	before := s.tables[c.kind].get(c.key())
	if before == nil {
		return nil, c.notFound()
	}
	full, err := patched(before, c.Header.Get("Content-Type"), body)
	if err != nil {
		return nil, err
	}
	obj := c.kind.new()
	if err := json.Unmarshal(full, obj); err != nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("the patch leads to an object that is unrecognized: %v", err))
	}
	if err := c.place(obj); err != nil {
		return nil, err
	}
	return s.update(c.kind, obj, c.sub, c.dry())
}

func patched(before *record, contentType string, body []byte) ([]byte, error) {
	how, _, _ := strings.Cut(contentType, ";")
	var full []byte
	var err error
	switch types.PatchType(how) {
	case types.MergePatchType:
		full, err = jsonpatch.MergePatch(before.raw, body)
	case types.StrategicMergePatchType:
		full, err = strategicpatch.StrategicMergePatch(before.raw, body, before.kind.new())
	case types.JSONPatchType:
		var p jsonpatch.Patch
		if p, err = jsonpatch.DecodePatch(body); err == nil {
			if full, err = p.Apply(before.raw); err != nil {
				return nil, apierrors.NewGenericServerResponse(422, "", before.kind.gr(), before.obj.GetName(), err.Error(), 0, false)
			}
		}
	default:
		return nil, unsupported(how, "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json")
	}
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	return full, nil
}

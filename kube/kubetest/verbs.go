package kubetest

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func (s *Server) serveGet(c *call) error {
	s.mu.Lock()
	r := s.tables[c.kind].get(c.key())
	s.mu.Unlock()
	if r == nil {
		return c.notFound()
	}
	writeJSON(c.w, http.StatusOK, r.json())
	return nil
}

func (s *Server) serveCreate(c *call) error {
	obj, err := c.decode()
	if err != nil {
		return err
	}
	if c.kind.status && c.kind != nodes {
		structField(obj, "Status").SetZero()
	}
	obj.SetResourceVersion("")
	s.mu.Lock()
	r, err := s.create(c.kind, obj, c.dry())
	s.settle()
	if err != nil {
		return err
	}
	writeJSON(c.w, http.StatusCreated, r.json())
	return nil
}

func (s *Server) serveUpdate(c *call) error {
	obj, err := c.decode()
	if err != nil {
		return err
	}
	s.mu.Lock()
	r, err := s.update(c.kind, obj, c.sub, c.dry())
	s.settle()
	if err != nil {
		return err
	}
	writeJSON(c.w, http.StatusOK, r.json())
	return nil
}

func (s *Server) servePatch(c *call) error {
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.Body, bodyLimit))
	if err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	s.mu.Lock()
	r, err := s.patch(c, body)
	s.settle()
	if err != nil {
		return err
	}
	writeJSON(c.w, http.StatusOK, r.json())
	return nil
}

// serveDelete answers with the object while it still exists, else with a Status, as the API does; a pod always.
func (s *Server) serveDelete(c *call) error {
	options, err := c.deleteOptions()
	if err != nil {
		return err
	}
	s.mu.Lock()
	last, gone, err := s.delete(c.kind, c.key(), options, c.dry() || len(options.DryRun) > 0)
	s.settle()
	if err != nil {
		return err
	}
	if !gone || c.kind == pods {
		writeJSON(c.w, http.StatusOK, last.json())
		return nil
	}
	writeJSON(c.w, http.StatusOK, encode(metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusSuccess,
		Details: &metav1.StatusDetails{Name: c.log.Name, Group: c.kind.group, Kind: c.kind.resource, UID: last.obj.GetUID()},
	}))
	return nil
}

// deleteOptions come in the body, or in the query where there is no body.
func (c *call) deleteOptions() (metav1.DeleteOptions, error) {
	var options metav1.DeleteOptions
	empty, err := c.read(&options)
	if err != nil || !empty {
		return options, err
	}
	if grace, err := strconv.ParseInt(c.query.Get("gracePeriodSeconds"), 10, 64); err == nil {
		options.GracePeriodSeconds = &grace
	}
	return options, nil
}

// serveList answers with all that matches, or a page of it where limit is set.
func (s *Server) serveList(c *call) error {
	want, err := newFilter(c.kind, c.log.NS, c.query.Get("labelSelector"), c.query.Get("fieldSelector"))
	if err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	after, err := c.page()
	if err != nil {
		return err
	}
	s.mu.Lock()
	found, rv := s.selected(c.kind, want), s.rv
	s.mu.Unlock()
	for len(found) > 0 && after != "" && pageKey(found[0]) <= after {
		found = found[1:]
	}
	meta := metav1.ListMeta{ResourceVersion: strconv.FormatUint(rv, 10)}
	if limit, _ := strconv.Atoi(c.query.Get("limit")); limit > 0 && len(found) > limit {
		left := int64(len(found) - limit)
		found = found[:limit]
		meta.Continue, meta.RemainingItemCount = base64.RawURLEncoding.EncodeToString([]byte(pageKey(found[limit-1]))), &left
	}
	writeJSON(c.w, http.StatusOK, listJSON(c.kind, meta, found))
	return nil
}

// pageKey sorts as lists do: by namespace, then by name.
func pageKey(r *record) string { return r.obj.GetNamespace() + "\x00" + r.obj.GetName() }

func (c *call) page() (after string, err error) {
	token := c.query.Get("continue")
	if token == "" {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || !strings.Contains(string(raw), "\x00") {
		return "", apierrors.NewBadRequest("continue key is not valid")
	}
	return string(raw), nil
}

func listJSON(k *kind, meta metav1.ListMeta, found []*record) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"kind":"%sList","apiVersion":%q,"metadata":%s,"items":[`, k.name, k.apiVersion(), encode(meta))
	for i, r := range found {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(r.raw)
	}
	b.WriteString("]}\n")
	return b.Bytes()
}

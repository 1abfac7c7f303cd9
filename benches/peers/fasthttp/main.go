// The bot on Go's fasthttp, one thread of Go code.
//
// usage: peer-fasthttp ADDRESS DELAY ORIGIN, the secret in SLACK_SIGNING_SECRET
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash"
	"log"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	toleranceSeconds = 300
	senders          = 64
	contentBytesMax  = 256 * 1024
	keepAlive        = 120 * time.Second
	attemptTimeout   = 10 * time.Second
)

// scratch is what checking a signature needs, kept so that no command allocates it.
type scratch struct {
	mac      hash.Hash
	sum      []byte
	expected [2 * sha256.Size]byte
}

type bot struct {
	delay     time.Duration
	origin    string
	scratches sync.Pool
	client    fasthttp.Client
	permits   chan struct{}
}

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: peer-fasthttp ADDRESS DELAY ORIGIN")
	}
	delay, err := time.ParseDuration(os.Args[2] + "s")
	if err != nil {
		log.Fatal(err)
	}
	runtime.GOMAXPROCS(1)
	secret := []byte(os.Getenv("SLACK_SIGNING_SECRET"))
	b := &bot{delay: delay, origin: os.Args[3] + "/", permits: make(chan struct{}, senders)}
	b.scratches.New = func() interface{} { return &scratch{mac: hmac.New(sha256.New, secret)} }
	b.client = fasthttp.Client{
		MaxConnsPerHost: senders,
		ReadTimeout:     attemptTimeout,
		WriteTimeout:    attemptTimeout,
	}
	server := fasthttp.Server{
		Handler:            b.answer,
		IdleTimeout:        keepAlive,
		MaxRequestBodySize: contentBytesMax,
	}
	log.Fatal(server.ListenAndServe(os.Args[1]))
}

func (b *bot) answer(ctx *fasthttp.RequestCtx) {
	switch {
	case string(ctx.Path()) != "/slack":
		ctx.SetStatusCode(fasthttp.StatusNotFound)
	case !ctx.IsPost():
		ctx.SetStatusCode(fasthttp.StatusMethodNotAllowed)
	case !b.isGenuine(ctx):
		ctx.SetStatusCode(fasthttp.StatusUnauthorized)
	default:
		ctx.SetStatusCode(b.slack(ctx.PostArgs()))
	}
}

func (b *bot) isGenuine(ctx *fasthttp.RequestCtx) bool {
	timestamp := ctx.Request.Header.Peek("X-Slack-Request-Timestamp")
	sent, err := strconv.ParseInt(string(timestamp), 10, 64)
	if err != nil {
		return false
	}
	age := time.Now().Unix() - sent
	if age > toleranceSeconds || age < -toleranceSeconds {
		return false
	}
	s := b.scratches.Get().(*scratch)
	defer b.scratches.Put(s)
	s.mac.Reset()
	s.mac.Write([]byte("v0:"))
	s.mac.Write(timestamp)
	s.mac.Write([]byte(":"))
	s.mac.Write(ctx.PostBody())
	s.sum = s.mac.Sum(s.sum[:0])
	hex.Encode(s.expected[:], s.sum)
	given := ctx.Request.Header.Peek("X-Slack-Signature")
	return len(given) > 3 && string(given[:3]) == "v0=" && hmac.Equal(given[3:], s.expected[:])
}

// slack keeps what the reply needs, since the request's bytes are used again for the next one.
func (b *bot) slack(form *fasthttp.Args) int {
	url := string(form.Peek("response_url"))
	if !strings.HasPrefix(url, b.origin) || !form.Has("text") {
		return fasthttp.StatusBadRequest
	}
	text := string(form.Peek("text"))
	time.AfterFunc(b.delay, func() { b.post(url, text) })
	return fasthttp.StatusOK
}

func (b *bot) post(url, text string) {
	b.permits <- struct{}{}
	defer func() { <-b.permits }()
	request, response := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(request)
	defer fasthttp.ReleaseResponse(response)
	content, err := json.Marshal(map[string]string{"text": reversed(text)})
	if err == nil {
		request.SetRequestURI(url)
		request.Header.SetMethod(fasthttp.MethodPost)
		request.Header.SetContentType("application/json")
		request.SetBody(content)
		err = b.client.Do(request, response)
	}
	if err != nil {
		log.Printf("a reply was not delivered: %v", err)
	}
}

func reversed(text string) string {
	runes := []rune(text)
	for i, j := 0, len(runes)-1; i < j; i, j = i+1, j-1 {
		runes[i], runes[j] = runes[j], runes[i]
	}
	return string(runes)
}

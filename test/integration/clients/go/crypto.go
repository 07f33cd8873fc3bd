package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"strings"

	dapr "github.com/dapr/go-sdk/client"
)

const bigBytes = 300_000

// cryptoSteps send documents through the keys of the sidecar.
func (p *program) cryptoSteps() {
	encrypt := func(plain []byte, options dapr.EncryptOptions) ([]byte, error) {
		options.ComponentName = "cryptostore"
		stream, err := p.client.Encrypt(p.ctx, bytes.NewReader(plain), options)
		if err != nil {
			return nil, err
		}
		return io.ReadAll(stream)
	}
	thereAndBack := func(plain []byte, options dapr.EncryptOptions) error {
		encrypted, err := encrypt(plain, options)
		if err != nil {
			return err
		}
		stream, err := p.client.Decrypt(p.ctx, bytes.NewReader(encrypted), dapr.DecryptOptions{ComponentName: "cryptostore"})
		if err != nil {
			return err
		}
		decrypted, err := io.ReadAll(stream)
		if bytes.Contains(encrypted, plain) || !bytes.Equal(decrypted, plain) {
			return errors.Join(errors.New("other bytes"), err)
		}
		return err
	}
	step("a document encrypted with the rsa key is decrypted", func() error {
		return thereAndBack([]byte("the plain text"), dapr.EncryptOptions{KeyName: "rsa", KeyWrapAlgorithm: "RSA-OAEP-256"})
	})
	step("a document encrypted with the aes key is decrypted", func() error {
		return thereAndBack([]byte("the plain text"), dapr.EncryptOptions{KeyName: "aes", KeyWrapAlgorithm: "A256KW"})
	})
	step("a document of many chunks is decrypted", func() error {
		plain := make([]byte, bigBytes)
		if _, err := rand.Read(plain); err != nil {
			return err
		}
		return thereAndBack(plain, dapr.EncryptOptions{KeyName: "rsa", KeyWrapAlgorithm: "RSA", DataEncryptionCipher: "chacha20-poly1305"})
	})
	step("an absent key is refused", func() error {
		_, err := encrypt([]byte("x"), dapr.EncryptOptions{KeyName: "absent", KeyWrapAlgorithm: "RSA"})
		if err == nil || !strings.Contains(err.Error(), "absent") {
			return errors.Join(errors.New("it was not refused"), err)
		}
		return nil
	})
}

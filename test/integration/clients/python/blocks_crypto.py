"""Cryptography: documents through the keys of the sidecar."""

import os

from dapr.clients.grpc._crypto import DecryptOptions, EncryptOptions
from steps import Steps, equal

BIG_BYTES = 300_000


async def crypto_steps(dapr):
    it = Steps()

    async def there_and_back(plain, key, algorithm, **options):
        how = EncryptOptions('cryptostore', key, algorithm, **options)
        encrypted = await (await dapr.encrypt(plain, how)).read()
        assert plain not in encrypted, encrypted
        back = DecryptOptions('cryptostore', key if options.get('omit_decryption_key_name') else '')
        equal(await (await dapr.decrypt(encrypted, back)).read(), plain)

    @it('a document encrypted with the rsa key is decrypted')
    async def _():
        await there_and_back(b'the plain text', 'rsa', 'RSA-OAEP-256')

    @it('a document encrypted with the aes key is decrypted')
    async def _():
        await there_and_back(b'the plain text', 'aes', 'A256KW', omit_decryption_key_name=True)

    @it('a document of many chunks is decrypted')
    async def _():
        await there_and_back(os.urandom(BIG_BYTES), 'rsa', 'RSA', data_encryption_cipher='chacha20-poly1305')

    @it('an absent key is refused')
    async def _():
        try:
            await (await dapr.encrypt(b'x', EncryptOptions('cryptostore', 'absent', 'RSA'))).read()
        except Exception as error:
            assert 'absent' in str(error), error
        else:
            raise AssertionError('it was not refused')

    await it.run()

import { expect, test } from "vitest";
import { presigned } from "../../../../components/aws.s3/presign.ts";

// The example of the documentation of S3, "Authenticating Requests: Using Query Parameters".
const signer = { accessKeyId: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" };
const at = { region: "us-east-1", seconds: 86_400, atMs: Date.UTC(2013, 4, 24) };

test("an address is signed as the documentation of S3 signs its example", () => {
  const url = presigned({ url: "https://examplebucket.s3.amazonaws.com/test.txt", ...at }, signer);
  expect(url).toBe(
    "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
  );
});

test("the token of a session is signed too, and the port of the endpoint", () => {
  const url = new URL(
    presigned({ url: "http://localhost:9000/files/a%20b", ...at }, { ...signer, sessionToken: "a/b=" }),
  );
  expect(url.host).toBe("localhost:9000");
  expect(url.pathname).toBe("/files/a%20b");
  expect(url.searchParams.get("X-Amz-Security-Token")).toBe("a/b=");
  // What botocore, AWS's own library for Python, signs.
  expect(url.searchParams.get("X-Amz-Signature")).toBe(
    "881112bff2acd7f657e9aadc4f0a343edf6a4ad0d03a5d0c052d75cbbc1e7670",
  );
});

// Certificates of devices, made by the openssl command: {cert, key, sha1, sha256}, texts in PEM and upper-case hex.
import { execFileSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'key'];

// What is done in a folder of its own, which goes afterwards.
function inFolder(work) {
  const folder = mkdtempSync(join(tmpdir(), 'certificate-'));
  try {
    work((...words) => execFileSync('openssl', words, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] }),
      (name, text) => writeFileSync(join(folder, name), text));
    return described(readFileSync(join(folder, 'cert'), 'utf8'), readFileSync(join(folder, 'key'), 'utf8'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function described(cert, key) {
  const der = new X509Certificate(cert).raw;
  const digest = (kind) => createHash(kind).update(der).digest('hex').toUpperCase();
  return { cert, key, sha1: digest('sha1'), sha256: digest('sha256') };
}

export function selfSigned(name) {
  return inFolder((openssl) => openssl('req', '-x509', ...NEW_KEY, '-out', 'cert', '-subj', `/CN=${name}`, '-days', '2'));
}

// For `days` from now; a negative number is over.
export function signedBy(authority, name, days = 2) {
  return inFolder((openssl, write) => {
    write('ca', authority.cert);
    write('ca-key', authority.key);
    openssl('req', '-new', ...NEW_KEY, '-out', 'csr', '-subj', `/CN=${name}`);
    openssl('x509', '-req', '-in', 'csr', '-CA', 'ca', '-CAkey', 'ca-key', '-set_serial', '7', '-out', 'cert', '-days', String(days));
  });
}

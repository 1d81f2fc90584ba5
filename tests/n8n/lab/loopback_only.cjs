// Loaded into n8n by NODE_OPTIONS: whatever would leave this machine is noted, and goes nowhere.
const dns = require('node:dns');
const fs = require('node:fs');
const net = require('node:net');

const inside = (host) => host === undefined || host === 'localhost' || /^(127\.|::1$|::ffff:127\.)/.test(host);
const note = (how, host) => fs.appendFileSync(process.env.LOOPBACK_ONLY_LOG, `${how} ${host}\n`);

const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function (...args) {
  const [options, host] = Array.isArray(args[0]) ? args[0] : args;
  const isObject = options !== null && typeof options === 'object';
  const there = isObject ? options.host : typeof host === 'string' ? host : undefined;
  if ((isObject && options.path) || inside(there)) return connect.apply(this, args);
  note('connect', there);
  // Nobody listens there, so it fails as a connection does that is refused.
  return connect.call(this, { host: '127.0.0.1', port: 1 });
};

for (const api of [dns, dns.promises]) {
  for (const name of Object.keys(api).filter((n) => /^(lookup|resolve|reverse)/.test(n))) {
    const ask = api[name];
    api[name] = (host, ...rest) => {
      if (inside(host) || (name === 'lookup' && net.isIP(host))) return ask.call(api, host, ...rest);
      note(name, host);
      if (name === 'lookup') return ask.call(api, 'localhost', ...rest);
      throw new Error(`${name} ${host}: only loopback is allowed here`);
    };
  }
}

#!/usr/bin/env node
// What a client of the npm registry makes of an address.
//
//   npm_client.js CLIENT ADDRESS LOGIN     the password comes on standard input
//
// CLIENT is the name of one of the packages below; NODE_PATH says where they are installed. Prints one
// object in JSON: what the client ends up with, or why it gave up.
'use strict';
const fs = require('fs');
const { promisify } = require('util');

const clients = {
  // POX with Basic; reads the URL from EXPR alone.
  async autodiscover(address, login, password) {
    const { getEwsUrl } = require('autodiscover');
    return { ews: await promisify(getEwsUrl)(address, { username: login, password }) };
  },

  // SOAP with Basic; tries every host at once.
  async 'exchange-autodiscover'(address, login, password) {
    const settings = ['EwsSupportedSchemas', 'ExternalEwsVersion', 'AutoDiscoverSMTPAddress', 'UserDisplayName'];
    const found = await require('exchange-autodiscover')({
      emailAddress: address, username: login, password, settings,
    });
    return { ews: found.ExternalEwsUrl, smtp: found.AutoDiscoverSMTPAddress, settings: found };
  },

  // The mobile dialect of POX with Basic.
  async 'autodiscover-activesync'(address, login, password) {
    const activesync = await require('autodiscover-activesync').default({
      emailAddress: address, username: login, password,
    });
    if (!activesync) throw new Error('no server told the address of ActiveSync');
    return { activesync };
  },

  // The EWS Managed API in another language; SOAP, found by the header X-SOAP-Enabled.
  async 'ews-javascript-api'(address, login, password) {
    return managed(address, password, (ews) => new ews.WebCredentials(login, password));
  },

  // The same with its NTLM, which is a transport of its own.
  async 'ews-javascript-api/ntlm'(address, login, password) {
    const { NtlmProvider, XhrApi } = require('@ewsjs/xhr');
    const transport = new XhrApi({ gzip: true });
    transport.useNtlmAuthentication(login, password);
    return managed(address, password, null, transport);
  },
};

async function managed(address, password, credentials, transport) {
  const ews = require('ews-javascript-api');
  const service = new ews.AutodiscoverService(ews.ExchangeVersion.Exchange2013);
  if (credentials) service.Credentials = credentials(ews);
  if (transport) service.XHRApi = transport;
  service.RedirectionUrlValidationCallback = (url) => url.startsWith('https://');
  const { UserSettingName: names } = ews;
  const asked = ['ExternalEwsUrl', 'InternalEwsUrl', 'AutoDiscoverSMTPAddress', 'UserDisplayName', 'AlternateMailboxes'];
  const answer = await service.GetUserSettings(address, asked.map((name) => names[name]));
  if (answer.ErrorCode !== ews.AutodiscoverErrorCode.NoError) {
    throw new Error(`${ews.AutodiscoverErrorCode[answer.ErrorCode]}: ${answer.ErrorMessage}`);
  }
  const value = (name) => answer.Settings.get(names[name]);
  // Of an alternative mailbox this client understands the type and the name; it puts the name into
  // every other field, too.
  const mailboxes = value('AlternateMailboxes');
  return {
    ews: value('ExternalEwsUrl'),
    internal: value('InternalEwsUrl'),
    smtp: value('AutoDiscoverSMTPAddress'),
    name: value('UserDisplayName'),
    mailboxes: mailboxes ? mailboxes.Entries.map(({ Type, DisplayName }) => `${Type} ${DisplayName}`) : [],
  };
}

function end(told) {
  fs.writeSync(1, `${JSON.stringify(told)}\n`);
  process.exit();
}

// Some of them throw nothing at all, and some where nobody can catch it.
function giveUp(error) {
  end({ error: String(error?.name), message: String(error?.message || error) });
}
process.on('uncaughtException', giveUp);

const [client, address, login] = process.argv.slice(2);
const password = fs.readFileSync(0, 'utf8').split('\n')[0];
clients[client](address, login, password).then(end, giveUp);

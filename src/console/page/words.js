// What the page says, in English and Chinese, and how it writes numbers and times.

const TEXT = {
  en: {
    other: '中文', otherLanguage: 'zh', skip: 'To the buildings',
    live: 'Live', offline: 'Not connected', connecting: 'Connecting…',
    lost: (time) => `Connection lost. What you see is as of ${time}. Trying again…`,
    never: 'The platform does not answer. Trying again…',
    rate: 'messages per second', received: (n, since) => `${n} received since ${since}`,
    settled: 'messages stored safely', readings: (n) => `${n} readings`, copies: (n) => `${n} copies left out`,
    lag: 'behind', upToDate: 'every stage is up to date', stage: (name, n) => `${name}: ${n} records`, job: (name) => `query ${name}`,
    stages: { connector: 'decryption', deduplication: 'deduplication', archive: 'archive' },
    dead: 'dead letters', nothingAside: 'nothing was put aside', noise: (n) => `${n} foreign or damaged packets ignored`,
    reasons: {
      gw_mismatch: 'gateway mismatch', body_size: 'wrong size', json: 'unreadable JSON', b64: 'unreadable Base64', bad_length: 'wrong length',
      fopts_with_port0: 'options with port 0', port_reserved: 'reserved port', mic: 'wrong signature', join_mic: 'join: wrong signature',
      join_nonce: 'join: repeated', no_plugin: 'no plug-in', plugin_failed: 'plug-in failed', ns_failed: 'network server failed',
      ns_unanswered: 'network server silent', unknown_meter: 'unknown meter', bad_digits: 'wrong digits', unknown_profile: 'unknown profile',
      unknown_port: 'unknown port', conflict: 'contradiction', counter_reset: 'counter reset',
    },
    meters: 'Meters', attention: 'Flats that need attention', more: (n) => `and ${n} more`, allWell: 'None: every meter that was heard is well.',
    online: 'online', low: 'low balance', closed: 'valve closed', silent: 'silent', faulty: 'faulty', new: 'not heard yet',
    flow: 'Gas flow, last hour', noFlow: 'The curve appears after a few minutes of readings.',
    flowLabel: (now, most) => `Gas flow in the last hour: now ${now}, at most ${most}`,
    buildings: 'Buildings', buildingsHelp: 'Every mark is a flat: click it, or move with the arrow keys, for its readings.',
    floors: ['floor', 'floors'], flats: ['flat', 'flats'], firstBuildings: (n) => `the first ${n} are shown`, unplaced: 'No address',
    noBuildings: 'No meters are registered yet: meterhub registry import brings them in.',
    alerts: 'Alerts', alertCount: (rows, flats) => `${rows} rows, ${flats} flats`, newestAlerts: (n, rows) => `the newest ${n} of ${rows} rows`,
    noAlerts: 'No alerts. Flats with less than 5 m³ left appear here.',
    place: 'Flat', meter: 'Meter', remaining: 'Left, m³', used: 'Used, m³', said: 'Meter says', first: 'First', latest: 'Latest', times: 'Times',
    left: 'Left', usedTotal: 'Used', bought: 'Bought', version: 'Software', lastSeen: 'Last reading', signal: 'Signal', gateways: 'Heard by',
    gatewayUnit: ['gateway', 'gateways'], seq: 'Packet number', profile: 'Payload profile',
    none: 'Nothing was heard of this meter yet.', close: 'Close', noAnswer: (path, status) => `No answer from ${path} (${status})`,
    line: (n) => `Gas used, m³: the last ${n} readings`, lineLabel: (n, from, to) => `Gas used over the last ${n} readings, from ${from} to ${to} m³`,
    seconds: 's', minutes: 'min', hours: 'h', listed: ', ', dot: ' · ', clauses: ' · ',
    bits: { 1: 'battery low', 2: 'valve closed', 4: 'valve open', 8: 'tampering', 16: 'flow sensor fault', 32: 'leak suspected', 64: 'overdrawn' },
  },
  zh: {
    other: 'English', otherLanguage: 'en', skip: '跳到楼栋',
    live: '实时', offline: '未连接', connecting: '正在连接…',
    lost: (time) => `连接已中断，页面数据截至 ${time}，正在重新连接…`,
    never: '平台没有响应，正在重新连接…',
    rate: '每秒报文数', received: (n, since) => `自 ${since} 起共接收 ${n} 条`,
    settled: '已安全存储的报文', readings: (n) => `${n} 条读数`, copies: (n) => `已剔除重复 ${n} 条`,
    lag: '处理延迟', upToDate: '各环节均无积压', stage: (name, n) => `${name}积压 ${n} 条`, job: (name) => `查询 ${name} `,
    stages: { connector: '解密', deduplication: '去重', archive: '归档' },
    dead: '异常报文', nothingAside: '没有异常报文', noise: (n) => `另有 ${n} 个外来或受损的数据包已忽略`,
    reasons: {
      gw_mismatch: '网关不符', body_size: '报文大小异常', json: 'JSON 无法解析', b64: 'Base64 无法解析', bad_length: '长度不符',
      fopts_with_port0: '选项字段冲突', port_reserved: '保留端口', mic: '校验码不符', join_mic: '入网校验码不符',
      join_nonce: '入网请求重复', no_plugin: '缺少解密插件', plugin_failed: '解密插件出错', ns_failed: '网络服务器出错',
      ns_unanswered: '网络服务器无应答', unknown_meter: '表具未登记', bad_digits: '数字编码错误', unknown_profile: '数据格式未知',
      unknown_port: '端口未知', conflict: '数据冲突', counter_reset: '计数器复位',
    },
    meters: '燃气表', attention: '需要关注的住户', more: (n) => `另有 ${n} 户`, allWell: '暂无，已上报的燃气表均正常。',
    online: '在线', low: '余量不足', closed: '阀门已关', silent: '失联', faulty: '故障', new: '未上报',
    flow: '近一小时用气流量', noFlow: '读数积累几分钟后显示曲线。',
    flowLabel: (now, most) => `近一小时用气流量：当前 ${now}，最高 ${most}`,
    buildings: '楼栋', buildingsHelp: '每一格为一户：点击，或用方向键移动后按回车，可查看该户读数。',
    floors: ['层', '层'], flats: ['户', '户'], firstBuildings: (n) => `仅显示前 ${n} 栋`, unplaced: '未登记地址',
    noBuildings: '尚未登记燃气表，可用 meterhub registry import 导入。',
    alerts: '告警', alertCount: (rows, flats) => `共 ${rows} 条，涉及 ${flats} 户`, newestAlerts: (n, rows) => `共 ${rows} 条，仅列最近 ${n} 条`,
    noAlerts: '暂无告警。剩余气量低于 5 m³ 的住户会列在这里。',
    place: '住户', meter: '表号', remaining: '剩余气量 (m³)', used: '累计用气 (m³)', said: '表具状态', first: '首次', latest: '最近', times: '次数',
    left: '剩余气量', usedTotal: '累计用气', bought: '累计购气', version: '软件版本', lastSeen: '最近上报', signal: '信号强度', gateways: '接收网关',
    gatewayUnit: ['个', '个'], seq: '报文序号', profile: '数据格式',
    none: '该表尚未上报读数。', close: '关闭', noAnswer: (path, status) => `接口 ${path} 没有响应 (${status})`,
    line: (n) => `累计用气 (m³)：最近 ${n} 次读数`, lineLabel: (n, from, to) => `最近 ${n} 次读数的累计用气，从 ${from} 到 ${to} m³`,
    seconds: '秒', minutes: '分钟', hours: '小时', listed: '、', dot: '·', clauses: '，',
    bits: { 1: '电池欠压', 2: '阀门已关', 4: '阀门已开', 8: '防拆报警', 16: '流量传感器故障', 32: '疑似漏气', 64: '已透支' },
  },
};

// What was chosen on the page, else what the browser speaks.
const chosen = localStorage.getItem('language') || navigator.language || 'en';
export const language = chosen.toLowerCase().startsWith('zh') ? 'zh' : 'en';
export const t = TEXT[language];
const locale = language === 'zh' ? 'zh-CN' : 'en-GB';

export function chooseOtherLanguage() {
  localStorage.setItem('language', t.otherLanguage);
  location.reload();
}

export const count = (n) => Number(n).toLocaleString(locale);
export const rounded = (n, digits = 1) => Number(n).toLocaleString(locale, { maximumFractionDigits: digits });
export const volume = (n) => (n === null || n === undefined
  ? '–' : Number(n).toLocaleString(locale, { minimumFractionDigits: 3, maximumFractionDigits: 3 }));
export const spaced = (number, unit) => `${number} ${unit}`;
export const counted = (number, [one, many]) => spaced(count(number), number === 1 ? one : many);
export const statusBits = (status) =>
  Object.entries(t.bits).filter(([bit]) => status & Number(bit)).map(([, name]) => name).join(t.listed);

export function span(seconds) {
  if (seconds < 60) return spaced(rounded(seconds), t.seconds);
  if (seconds < 5400) return spaced(Math.round(seconds / 60), t.minutes);
  return spaced(rounded(seconds / 3600), t.hours);
}

// Times are the browser's: the office and its meters live in one zone.
const dateStyle = language === 'zh' ? 'short' : 'medium';
export const clock = (iso, timeStyle = 'short') => new Date(iso).toLocaleTimeString(locale, { timeStyle });
// The day only where it is another one than today.
export function moment(iso) {
  const at = new Date(iso);
  if (at.toDateString() === new Date().toDateString()) return clock(iso, 'medium');
  return at.toLocaleString(locale, { dateStyle, timeStyle: 'medium' });
}
export const fullMoment = (iso) => new Date(iso).toLocaleString(locale, { dateStyle, timeStyle: 'medium' });

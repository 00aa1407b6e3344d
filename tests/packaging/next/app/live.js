'use client';

import { useEventStream } from 'heartwire/react';
import { useState } from 'react';

export function Live() {
  const [text, setText] = useState('nothing yet');
  const { stream } = useEventStream(
    '/events',
    { message: ({ data }) => setText(data) },
    { topics: 't', from: 'earliest' },
  );
  return (
    <p>
      page: {text} by stream {stream?.metrics().opened}
    </p>
  );
}
